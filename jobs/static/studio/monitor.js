// Keeps a page of the monitor up to date. htmx requests its live part, and Idiomorph applies the
// changes. This file decides when to refresh, what to keep, and what to tell the viewer.
(() => {
  'use strict';

  const HIDDEN_PACE = 30, LONGEST_PACE = 30, TURN = 300; // seconds
  const live = document.getElementById('live');
  const link = document.getElementById('link');
  const news = document.getElementById('news');
  const newer = document.getElementById('newer');
  const onWall = document.body.classList.contains('on-a-wall');
  let etag = live.dataset.etag;
  let foundAt = Number(live.dataset.foundAt);
  let failures = 0;
  let clockError = 0; // milliseconds by which this machine's clock is ahead of the server's
  let timer;
  let released = false; // the viewer asked for the cards that wait

  // ---- When to refresh ----

  const pace = () => {
    if (failures) return Math.min(LONGEST_PACE, 2 ** failures);
    // A video may play on in a hidden tab, with its sound or in a window of its own.
    return document.hidden && !plays(live) ? HIDDEN_PACE : Number(document.getElementById('state').dataset.pace);
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
    else if (successful || xhr.status === 304) {
      found(xhr);
      leave();
    }
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
    else {
      [foundAt, etag] = [age, xhr.getResponseHeader('ETag')];
      event.detail.serverResponse = hold(event.detail.serverResponse);
    }
  });

  const plays = (node) =>
    !onWall && node.nodeType === Node.ELEMENT_NODE &&
    [...node.querySelectorAll('video')].some((video) => !video.paused && !video.ended);

  // ---- What must not move ----

  const cardsOf = (page) => [...(page.querySelector('#cards')?.children ?? [])];
  const idsOf = (cards) => new Set(cards.map((card) => card.id));
  let listed = idsOf(cardsOf(live)); // the cards of the server's last list

  // The viewer plays the card, has focused it or points at it.
  const isWatched = (card) => plays(card) || card.matches(':hover, :focus-within');
  const watched = () => {
    const cards = cardsOf(live);
    return cards.find(plays) ?? cards.find(isWatched);
  };

  // While a card is watched, the others keep their places too, and new ones wait. A job that is no
  // longer in the list leaves an empty card, unless that is watched.
  const hold = (html) => {
    const page = new DOMParser().parseFromString(html, 'text/html');
    const [shown, fresh] = [cardsOf(live), cardsOf(page)];
    const added = fresh.filter((card) => !idsOf(shown).has(card.id));
    const holds = !released && fresh.length && watched();
    listed = idsOf(fresh);
    arrived = released ? added[0] ?? fresh[0] : null;
    released = false;
    wait(holds ? added.length : 0);
    if (!holds) return html;
    // The next answer shows the new list, unless the viewer still watches.
    if (added.length || shown.some((card) => !listed.has(card.id))) etag = '';
    page.getElementById('cards').replaceChildren(...shown.map((card) => page.getElementById(card.id) ?? remains(card, page)));
    return page.body.innerHTML;
  };

  const remains = (card, page) => (isWatched(card) ? page.importNode(card, true) : empty(card));

  const empty = (card) => {
    const place = card.cloneNode(false);
    place.className = 'card gone-card';
    delete place.dataset.status;
    return place;
  };

  // A watched card stays while its job is only on another page of the list. It leaves if the job is
  // private or deleted, or its video is removed.
  const leave = () => {
    for (const card of cardsOf(live).filter((each) => each.childElementCount && !listed.has(each.id))) {
      if (isWatched(card)) leaveUnlessPublic(card);
      else clear(card);
    }
  };

  const leaveUnlessPublic = async (card) => {
    const url = card.querySelector('.prompt a').href;
    const answer = await fetch(url, { headers: { 'HX-Request': 'true' } }).catch(() => null);
    const hasVideo = answer?.ok && (await answer.text()).includes(' data-video="');
    if (answer?.status === 404 || (answer?.ok && card.querySelector('video') && !hasVideo)) clear(card);
  };

  const clear = (card) => {
    const video = card.querySelector('video');
    video?.removeAttribute('src');
    video?.load(); // stops it in a window of its own too
    card.replaceWith(empty(card));
    etag = ''; // the next answer closes the gap
  };

  // ---- Cards that wait ----

  let waiting = 0; // cards
  let more = false; // more wait than the viewer was told
  let arrived = null; // the first of the cards that the viewer asked for

  const wait = (count) => {
    more = count > waiting;
    waiting = count;
    newer.hidden = !count;
    newer.textContent = `${count} new`;
  };

  const showArrived = () => {
    const card = arrived && document.getElementById(arrived.id);
    arrived = null;
    card?.querySelector('.prompt a').focus({ preventScroll: true });
    card?.scrollIntoView({ block: 'nearest' });
  };

  newer.addEventListener('click', () => {
    released = true;
    etag = '';
    look();
  });

  // The part above the cards may grow and shrink: then the page scrolls, and the card stays.
  let anchor, top_;
  document.addEventListener('htmx:beforeSwap', () => {
    anchor = watched();
    top_ = anchor?.getBoundingClientRect().top;
    const above = document.getElementById('above');
    document.documentElement.style.overflowAnchor = anchor ? 'none' : '';
    if (above) above.style.minHeight = anchor ? `${above.offsetHeight}px` : '';
  });
  document.addEventListener('htmx:afterSwap', () => {
    document.body.style.minHeight = '';
    if (!anchor?.isConnected) return;
    const moved = anchor.getBoundingClientRect().top - top_;
    const height = scrollY + moved + innerHeight; // a short page is too low to scroll
    if (height > document.body.offsetHeight) document.body.style.minHeight = `${height}px`;
    scrollBy(0, moved);
  });
  document.addEventListener('htmx:afterSwap', showArrived);

  // The row of a job becomes a card when the job ends, and the focus follows.
  let row;
  document.addEventListener('htmx:beforeSwap', () => {
    row = document.activeElement.closest('.row');
  });
  document.addEventListener('htmx:afterSwap', () => {
    if (row && document.activeElement === document.body) document.getElementById(row.id)?.querySelector('.prompt a').focus({ preventScroll: true });
  });

  Object.assign(Idiomorph.defaults.callbacks, {
    // An unchanged video keeps its state: playing, paused, position, or broken.
    beforeNodeMorphed: (old, new_) => !(old.dataset?.video && old.dataset.video === new_.dataset?.video),
    // A job stays on the page while its video plays, see `leave`.
    beforeNodeRemoved: (node) => !plays(node),
    // The viewer opens and closes the logs; this file sets the only style.
    beforeAttributeUpdated: (name) => name !== 'open' && name !== 'style',
  });

  let before = new Map();
  const statuses = () =>
    new Map([...live.querySelectorAll('[data-status]')].map((job) => [job.id, job.dataset.status]));

  document.addEventListener('htmx:afterSwap', () => {
    tick();
    const now = statuses();
    const ended = [...now].filter(([id, status]) => before.has(id) && before.get(id) !== status && ENDINGS.includes(status));
    const text = ended.slice(0, 2).map(told);
    if (ended.length > 2) text.push(`And ${ended.length - 2} more.`);
    if (more) text.push(`${waiting} new ${waiting === 1 ? 'job' : 'jobs'}.`);
    if (text.length) news.textContent = text.join(' ');
    before = now;
    watchPictures();
  });

  const ENDINGS = ['SUCCEEDED', 'FAILED', 'CANCELLED'];
  const told = ([id, status]) => {
    const prompt = document.querySelector(`#${id} .prompt`).textContent.trim();
    return `${status}: ${prompt.slice(0, 60)}.`;
  };

  // ---- Running times ----

  const tick = () => {
    const now = serverTime();
    for (const time of live.querySelectorAll('time[data-since], time[data-ago]')) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      const text = time.dataset.since === undefined ? ago(seconds) : time.dataset.since + duration(seconds);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // The formats of videostudio/core/formatting.py.
  const UNITS = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];

  const ago = (seconds) => {
    const unit = UNITS.find(([size]) => seconds >= size);
    return unit ? `${Math.floor(seconds / unit[0])} ${unit[1]} ago` : 'just now';
  };

  const duration = (seconds) => {
    let left = Math.max(0, Math.round(seconds));
    const first = UNITS.findIndex(([size]) => left >= size);
    const parts = first < 0 ? [] : UNITS.slice(first, first + 2).map(([size, name]) => {
      const whole = Math.floor(left / size);
      left -= whole * size;
      return whole ? `${whole} ${name}` : '';
    });
    return parts.filter(Boolean).join(' ') || '0 s';
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

  // ---- A screen on a wall ----

  // Nothing stays in one place for long, which would burn in.
  const play = () => live.querySelectorAll('video').forEach((video) => {
    video.muted = true;
    video.play().catch(() => {}); // its server does not respond, which another part reports
  });
  if (onWall) {
    document.addEventListener('htmx:afterSwap', play);
    setInterval(() => document.body.classList.toggle('turned'), 1000 * TURN);
    play();
  }

  say('live', 'Live');
  before = statuses();
  setInterval(tick, 1000);
  tick();
  watchPictures();
  later();
})();
