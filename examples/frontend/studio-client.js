// StudioClient extends VideoGenerationClient (video-generation.js) for production: idempotent orders,
// errors by field, renewal of the access token, and polling that survives restarts. Its methods take
// the same arguments, so code for VideoGenerationClient runs with it.

const FINAL = ['SUCCEEDED', 'FAILED', 'CANCELLED'];
const POLL_SECONDS = 3; // where the response has no Retry-After
const LONGEST_PAUSE = 15; // seconds between two tries while the service is away
const CREATE_TRIES = 6;
const TIMEOUT = 60_000; // milliseconds
const UPLOAD_TIMEOUT = 600_000;

export const isActive = (job) => !FINAL.includes(job.status);

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** An error response, or no response at all (then `status` is 0 and `code` is "unreachable"). */
export class StudioError extends Error {
  constructor({ status, code, message, errors = [], retryAfter = null, body = {} }) {
    super(message);
    Object.assign(this, { status, code, errors, retryAfter, body });
  }

  /** Whether the same request can succeed later: the service restarts, or asks us to slow down. */
  get isTemporary() {
    return this.status === 0 || this.status >= 500 || this.code === 'throttled';
  }

  static unreachable() {
    return new StudioError({ status: 0, code: 'unreachable', message: 'The service cannot be reached.' });
  }

  /** A page of a proxy in front of the service, which it sends while the service restarts. */
  static notJson({ ok, status }) {
    const isTemporary = ok || status >= 500;
    return new StudioError({
      status: ok ? 502 : status,
      code: isTemporary ? 'unavailable' : 'refused',
      message: `${isTemporary ? 'The service is not available right now' : 'The request was refused'} (${status}).`
    });
  }

  static async from(response) {
    const body = await response.json().catch(() => null);
    if (!body?.detail) return StudioError.notJson(response);
    return new StudioError({
      status: response.status,
      code: body.code,
      message: body.detail.message ?? body.detail, // only a 402 has an object here
      errors: body.errors,
      retryAfter: Number(response.headers.get('Retry-After')) || null,
      body
    });
  }
}

export class StudioClient extends VideoGenerationClient {
  /** `renew` returns a new access token, or throws an error if the user has to log in again. */
  constructor(apiBase, authToken, { renew } = {}) {
    super(apiBase, authToken);
    this.renew = renew;
    this.renewal = null;
  }

  async listModels() {
    return (await this.call('/video-models')).models;
  }

  async getTokens() {
    return this.call('/tokens');
  }

  /**
   * What the order would cost now: `tokens`, `availableTokens`, `affordable`. Prompt and images do not
   * change the cost, so they are not sent.
   */
  async quote({ initialImage, endFrame, referenceImages, ...fields }) {
    const body = formData({ ...fields, prompt: 'Any' });
    return this.call('/video-jobs/quote', { method: 'POST', body });
  }

  /**
   * The new job. What is sent twice with one `key` is paid once, so this method repeats the order
   * by itself while the service does not answer; before each repetition, `onTrouble` gets the error.
   * `onReplay` is called if the key's job existed already.
   */
  async createJob(params, { key = newKey(), onTrouble = () => {}, onReplay = () => {} } = {}) {
    for (let tries = 1; ; tries += 1) {
      try {
        const response = await this.request('/video-jobs', {
          method: 'POST',
          headers: { 'Idempotency-Key': key },
          body: formData(params),
          timeout: UPLOAD_TIMEOUT
        });
        const job = await readJson(response);
        if (response.headers.get('Idempotency-Replayed') === 'true') onReplay();
        return job;
      } catch (error) {
        if (!error.isTemporary || tries === CREATE_TRIES) throw error;
        onTrouble(error);
        await pause(error.retryAfter ?? tries);
      }
    }
  }

  /**
   * Calls `onUpdate` with each new state of the job, and returns the last one. `onTrouble` gets an
   * error when the service is away, and null when it is back. `signal` stops the polling.
   */
  async pollJob(jobId, onUpdate, { onTrouble = () => {}, signal } = {}) {
    let etag = null;
    for (let failures = 0; ; ) {
      let seconds;
      let job = null;
      try {
        const headers = etag ? { 'If-None-Match': etag } : {};
        const response = await this.request(`/video-jobs/${jobId}`, { headers });
        if (response.status !== 304) { // 304: nothing has changed
          job = await readJson(response);
          etag = response.headers.get('ETag');
        }
        seconds = Number(response.headers.get('Retry-After')) || POLL_SECONDS;
        if (failures) onTrouble(null);
        failures = 0;
      } catch (error) {
        if (!error.isTemporary) throw error;
        failures += 1;
        onTrouble(error);
        seconds = error.retryAfter ?? Math.min(failures * POLL_SECONDS, LONGEST_PAUSE);
      }
      if (signal?.aborted) return null;
      if (job) onUpdate(job);
      if (job && !isActive(job)) return job;
      await pause(seconds);
      if (signal?.aborted) return null;
    }
  }

  async listJobs(statusFilter = null, limit = 50) {
    const params = new URLSearchParams({ limit });
    if (statusFilter) params.append('status_filter', statusFilter);
    return this.call(`/video-jobs?${params}`);
  }

  async cancelJob(jobId) {
    return this.call(`/video-jobs/${jobId}/cancel`, { method: 'POST' });
  }

  async deleteJob(jobId) {
    await this.request(`/video-jobs/${jobId}`, { method: 'DELETE' });
  }

  async call(path, options) {
    return readJson(await this.request(path, options));
  }

  /** The response, if it is a success or 304. An expired access token is renewed once. */
  async request(path, options = {}) {
    const token = this.authToken;
    let response = await this.send(path, options);
    if (response.status === 401 && token && this.renew) {
      await this.renewToken(token);
      response = await this.send(path, options);
    }
    if (response.ok || response.status === 304) return response;
    throw await StudioError.from(response);
  }

  async send(path, { method = 'GET', headers = {}, body, timeout = TIMEOUT }) {
    const authorization = this.authToken ? { Authorization: `Bearer ${this.authToken}` } : {};
    try {
      return await fetch(this.apiBase + path, {
        method,
        body,
        headers: { ...headers, ...authorization },
        signal: AbortSignal.timeout(timeout)
      });
    } catch {
      throw StudioError.unreachable();
    }
  }

  /** A refresh token works once: requests that fail together wait for one renewal. */
  async renewToken(expired) {
    if (this.authToken !== expired) return;
    this.renewal ??= this.renew()
      .then((token) => { this.authToken = token; })
      .finally(() => { this.renewal = null; });
    await this.renewal;
  }
}

export async function readJson(response) {
  try {
    return await response.json();
  } catch {
    throw StudioError.notJson(response);
  }
}

/** Like crypto.randomUUID(), which browsers offer only on https:// and localhost. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The order as the API takes it; a FormData sets its own Content-Type. */
function formData({ initialImage, endFrame, referenceImages = [], ...fields }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== '' && value != null) form.append(name, value);
  }
  if (initialImage) form.append('initialImage', initialImage);
  if (endFrame) form.append('endFrame', endFrame);
  for (const image of referenceImages) form.append('referenceImages', image);
  return form;
}
