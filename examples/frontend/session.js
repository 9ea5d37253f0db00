// The user's access token: from a login, a registration, or pasted. It is kept in sessionStorage,
// which survives a reload and ends with the tab.

import { readJson, StudioError } from './studio-client.js';

const STORED = 'studio-session';

export class Session {
  constructor(apiBase) {
    this.apiBase = apiBase;
    this.pair = JSON.parse(sessionStorage.getItem(STORED)) ?? {};
  }

  get accessToken() {
    return this.pair.access ?? null;
  }

  async register({ username, email, password }) {
    await this.post('/auth/register', { username, email, password });
  }

  async logIn({ username, password }) {
    this.keep(await readJson(await this.post('/auth/token', { username, password })));
  }

  useToken(access) {
    this.keep({ access });
  }

  /** A new access token. A refresh token works once, so the new one is stored at once. */
  async renew() {
    const { refresh } = this.pair;
    if (!refresh) throw sessionEnded();
    let pair;
    try {
      pair = await readJson(await this.post('/auth/token/refresh', { refresh }));
    } catch (error) {
      throw error.status === 401 ? sessionEnded() : error;
    }
    if (this.pair.refresh !== refresh) throw sessionEnded(); // the user has logged out meanwhile
    this.keep(pair);
    return pair.access;
  }

  async logOut() {
    const { refresh } = this.pair;
    this.forget();
    if (refresh) await this.post('/auth/logout', { refresh });
  }

  forget() {
    this.pair = {};
    sessionStorage.removeItem(STORED);
  }

  keep(pair) {
    this.pair = pair;
    sessionStorage.setItem(STORED, JSON.stringify(pair));
  }

  async post(path, body) {
    const response = await fetch(this.apiBase + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body)
    }).catch(() => { throw StudioError.unreachable(); });
    if (!response.ok) throw await StudioError.from(response);
    return response;
  }
}

function sessionEnded() {
  const message = 'Your session has ended. Log in to continue; your videos are still being made.';
  return new StudioError({ status: 401, code: 'session_ended', message });
}
