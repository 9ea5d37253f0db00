// The guide's progress card and log panel for one job, made from the <template> in index.html.

import { isActive } from './studio-client.js';

const STATUS = {
  PENDING: 'Waiting',
  RUNNING: 'Running',
  SUCCEEDED: 'Done',
  FAILED: 'Failed',
  CANCELLED: 'Cancelled'
};

export class JobCard {
  constructor(template, { onCancel }) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.part('.cancel').addEventListener('click', () => onCancel(this.job));
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  update(job) {
    const isNew = !this.job;
    this.job = job;
    this.element.dataset.job = job.id;
    this.part('.title').textContent = job.prompt ?? 'A video from an image';
    this.part('.job-id').textContent = job.id;
    this.part('.facts').textContent = facts(job);
    this.showStatus(job);
    this.showProgress(job);
    this.showLogs(job.logs);
    this.showTrouble('');
    if (job.status === 'SUCCEEDED') this.showVideo(job);
    if (isNew) this.part('.logs').open = isActive(job);
  }

  /** A problem that is not the job's own, such as a service that is away; '' once it is over. */
  showTrouble(text) {
    this.part('.trouble').textContent = text;
  }

  focus() {
    this.part('.title').focus();
  }

  showStatus(job) {
    const status = this.part('.status');
    status.className = `status status-${job.status.toLowerCase()}`;
    status.textContent = STATUS[job.status] ?? job.status;
    // A screen reader reads each change of this line, so it is set only when it changes.
    const message = this.part('.status-message');
    if (message.textContent !== job.statusMessage) message.textContent = job.statusMessage;
    const refunded = job.tokensRefunded ? ` ${job.tokensRefunded} tokens were refunded.` : '';
    const reason = job.errorMessage && job.errorMessage !== job.statusMessage ? job.errorMessage : '';
    this.part('.error-message').textContent = isActive(job) ? '' : reason + refunded;
  }

  showProgress(job) {
    const percentage = `${job.progressPercentage}%`;
    this.part('.progress-bar').setAttribute('aria-valuenow', job.progressPercentage);
    this.part('.progress-fill').style.width = percentage;
    this.part('.progress-text').textContent = percentage;
    this.part('.outlook').textContent = outlook(job);
    this.part('.progress').hidden = !isActive(job);
    this.part('.cancel').hidden = !isActive(job);
  }

  showLogs(logs) {
    const panel = this.part('.logs-panel');
    for (const log of logs.slice(panel.children.length)) panel.append(logEntry(log));
    this.part('.log-count').textContent = logs.length;
    panel.scrollTop = panel.scrollHeight;
  }

  showVideo(job) {
    const video = this.part('video');
    if (video.src) return;
    video.src = job.cloudinaryUrl;
    if (job.posterUrl) video.poster = job.posterUrl;
    video.setAttribute('aria-label', job.prompt ?? 'Video');
    video.addEventListener('error', () => this.showTrouble('The video cannot be loaded. Try its link.'));
    this.part('.link').href = job.cloudinaryUrl;
    this.part('.result').hidden = false;
  }
}

function facts(job) {
  const { resolution, aspectRatio, durationSeconds, generateAudio, mockMode, seed } = job;
  const seeded = Number.isInteger(seed) && `seed ${seed}`;
  const extras = [generateAudio && 'with sound', seeded, mockMode && 'sample', job.private && 'private'];
  return [resolution, aspectRatio, `${durationSeconds} s`, ...extras].filter(Boolean).join(' · ');
}

/** The place in the queue and the estimate, as far as they are known. */
function outlook({ queuePosition, estimatedSecondsRemaining: seconds }) {
  const place = { null: '', 0: 'next in the queue', 1: '1 job before it' };
  const queue = place[queuePosition] ?? `${queuePosition} jobs before it`;
  return [queue, seconds === null ? '' : `about ${duration(seconds)} left`].filter(Boolean).join(', ');
}

export function duration(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function logEntry({ timestamp, level, message }) {
  const entry = document.createElement('li');
  entry.className = `log-entry log-${level}`;
  const time = document.createElement('time');
  time.className = 'timestamp';
  time.dateTime = timestamp;
  time.textContent = new Date(timestamp).toLocaleTimeString();
  const text = document.createElement('span');
  text.className = 'message';
  text.textContent = message;
  entry.append(time, ' ', text);
  return entry;
}
