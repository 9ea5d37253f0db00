// Keeps a page of the monitor up to date. htmx requests its live part, and Idiomorph applies the
// changes. This file decides when to refresh, what to keep, and what to tell the viewer.
(() => {
  'use strict';

  const HIDDEN_PACE = 30, LONGEST_PACE = 30; // seconds
  const live = document.getElementById('live');
  const link = document.getElementById('link');
  const news = document.getElementById('news');
  let etag = live.dataset.etag;
  let foundAt = Number(live.dataset.foundAt);
  let failures = 0;
  let clockError = 0; // milliseconds by which this machine's clock is ahead of the server's
  let timer;

  // ---- When to refresh ----

  const pace = () => {
    if (failures) return Math.min(LONGEST_PACE, 2 ** failures);
    return document.hidden ? HIDDEN_PACE : Number(document.getElementById('state').dataset.pace);
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(look, 1000 * pace());
  };
  const look = () => {
    clearTimeout(timer);
    htmx.trigger(live, 'look');
  };
  document.addEventListener('visibilitychange', () => (document.hidden ? later() : look()));
  window.addEventListener('online', look);

  document.addEventListener('htmx:configRequest', (event) => {
    event.detail.headers['If-None-Match'] = etag;
  });

  document.addEventListener('htmx:afterRequest', (event) => {
    const { xhr, successful } = event.detail;
    if (xhr.status === 404) location.reload(); // the job was deleted, and the page says so
    else if (successful || xhr.status === 304) found(xhr);
    else lost(xhr.status ? 'The service has not responded' : 'No connection');
    later();
  });

  const found = (xhr) => {
    const date = Date.parse(xhr.getResponseHeader('Date'));
    if (date) clockError = Math.abs(Date.now() - date) > 2000 ? Date.now() - date : 0;
    if (failures > 1) say('live', 'Live again');
    failures = 0;
  };

  const lost = (what) => {
    failures += 1;
    if (failures === 2) say('lost', `${what} since ${utc(serverTime())}; trying again`);
  };

  const say = (state, text) => {
    link.className = `link ${state}`;
    link.textContent = text;
    document.body.classList.toggle('stale', state === 'lost');
  };

  // ---- What to update ----

  document.addEventListener('htmx:beforeSwap', (event) => {
    // One of several servers may send an older state than another did.
    const { xhr } = event.detail;
    const age = Number(xhr.getResponseHeader('Found-At'));
    if (xhr.status !== 200 || age < foundAt) event.detail.shouldSwap = false;
    else [foundAt, etag] = [age, xhr.getResponseHeader('ETag')];
  });

  const plays = (node) =>
    node.nodeType === Node.ELEMENT_NODE &&
    [...node.querySelectorAll('video')].some((video) => !video.paused && !video.ended);

  Object.assign(Idiomorph.defaults.callbacks, {
    // An unchanged video keeps its state: playing, paused, position, or broken.
    beforeNodeMorphed: (old, new_) => !(old.dataset?.video && old.dataset.video === new_.dataset?.video),
    // A job stays on the page while its video plays.
    beforeNodeRemoved: (node) => !plays(node),
    // The viewer opens and closes the logs.
    beforeAttributeUpdated: (name) => name !== 'open',
  });

  let before = new Map();
  const statuses = () =>
    new Map([...live.querySelectorAll('[data-status]')].map((job) => [job.id, job.dataset.status]));

  document.addEventListener('htmx:afterSwap', () => {
    tick();
    const now = statuses();
    const ended = [...now].filter(([id, status]) => before.has(id) && before.get(id) !== status && ENDINGS[status]);
    if (ended.length) news.textContent = ended.slice(0, 2).map(told).join(' ') + (ended.length > 2 ? ` And ${ended.length - 2} more.` : '');
    before = now;
    watchPictures();
  });

  const ENDINGS = { SUCCEEDED: 'Done', FAILED: 'Failed', CANCELLED: 'Cancelled' };
  const told = ([id, status]) => {
    const prompt = document.querySelector(`#${id} .prompt`).textContent.trim();
    return `${ENDINGS[status]}: ${prompt.slice(0, 60)}.`;
  };

  // ---- Running times ----

  const tick = () => {
    const now = serverTime();
    for (const time of live.querySelectorAll('time[data-since]')) {
      time.title = utc(new Date(time.dateTime));
      time.textContent = time.dataset.since + duration((now - Date.parse(time.dateTime)) / 1000);
    }
  };

  const duration = (seconds) => {
    const all = Math.max(0, Math.round(seconds));
    const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60)];
    if (hours) return `${hours} h ${minutes % 60} min`;
    return minutes ? `${minutes} min ${all % 60} s` : `${all} s`;
  };

  const serverTime = () => new Date(Date.now() - clockError);
  const utc = (date) => `${date.toISOString().slice(11, 19)} UTC`;

  // ---- Missing videos ----

  live.addEventListener('error', (event) => {
    if (event.target.tagName === 'VIDEO') event.target.parentElement.querySelector('.gone').hidden = false;
  }, true);

  // Videos load only when they are played. If a poster is missing, check whether the video is too.
  const watchPictures = () => {
    for (const video of live.querySelectorAll('video[poster]:not([data-watched])')) {
      video.dataset.watched = '';
      const picture = new Image();
      picture.onerror = () => { video.preload = 'metadata'; };
      picture.src = video.poster;
    }
  };

  say('live', 'Live');
  before = statuses();
  setInterval(tick, 1000);
  tick();
  watchPictures();
  later();
})();
