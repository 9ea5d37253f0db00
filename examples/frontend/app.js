// Connects the parts of the page.

import { STUDIO_URL } from './config.js';
import { duration, JobCard } from './job-card.js';
import { amount, OrderForm } from './order-form.js';
import { keyFor, orderWasAccepted, orderWasRefused } from './order-key.js';
import { Session } from './session.js';
import { SignIn } from './sign-in.js';
import { isActive, StudioClient } from './studio-client.js';

const API = `${STUDIO_URL}/api/v1`;
const SHOWN_JOBS = 10;
const GOES_ON = 'The page keeps trying. The job continues.';

const find = (selector) => document.querySelector(selector);
const session = new Session(API);
const client = new StudioClient(API, session.accessToken, { renew: () => session.renew() });
const signIn = new SignIn(find('#sign-in'), session, { onSignedIn: start });
const form = new OrderForm(find('#order'), { onSubmit: order, onChange: showQuote });
const cards = new Map();
let polling = new AbortController();
let quotes = 0;

find('#monitor').href = `${STUDIO_URL}/video-monitor`;
find('#log-out').addEventListener('click', logOut);
find('#retry').addEventListener('click', start);
await start();

async function start() {
  client.authToken = session.accessToken;
  try {
    form.showModels(await client.listModels());
    find('#problem').hidden = true;
    if (!session.accessToken) return showSignIn();
    await showTokens();
    await showJobs();
    signIn.hide();
    find('#workspace').hidden = false;
    find('#account').hidden = false;
  } catch (error) {
    showProblem(error);
  }
}

async function order(params) {
  try {
    let note = '';
    const job = await client.createJob(params, {
      key: keyFor(params),
      onTrouble: ({ message }) => form.showMessage(`${message} Sending the order again. You are charged only once.`),
      onReplay: () => { note = 'The service already had this order. You were not charged again.'; }
    });
    orderWasAccepted();
    form.showMessage(note);
    showCard(job).focus();
    await showTokens();
  } catch (error) {
    showOrderError(error);
  }
}

function showOrderError(error) {
  if (error.isTemporary) {
    const advice = 'If you send the same order again, you are charged only once.';
    return form.showMessage(`${error.message} ${advice}`);
  }
  if (error.status === 401) return showProblem(error);
  orderWasRefused();
  if (form.showErrors(error.errors)) return form.showMessage('Nothing was ordered. Correct the marked fields.');
  const { estimatedWaitSeconds: wait } = error.body;
  form.showMessage(wait ? `${error.message} Estimated wait: ${duration(wait)}.` : error.message);
}

async function showTokens() {
  const { availableTokens } = await client.getTokens();
  find('#tokens').textContent = amount(availableTokens);
  await showQuote(form.order);
}

/** The cost of the order, before it is sent. If the form has changed meanwhile, that call shows it. */
async function showQuote(params) {
  if (!client.authToken) return;
  const call = (quotes += 1);
  let quote = null;
  let problem = '';
  try {
    quote = await client.quote(params);
  } catch (error) {
    if (error.status === 400) problem = error.message;
  }
  if (call === quotes) form.showQuote(quote, problem);
}

async function showJobs() {
  polling.abort();
  polling = new AbortController();
  cards.clear();
  find('#jobs').replaceChildren();
  const { jobs } = await client.listJobs(null, SHOWN_JOBS);
  for (const job of jobs.reverse()) showCard(job);
  find('#no-jobs').hidden = jobs.length > 0;
}

/** The job's card, new and on top unless it is there already. */
function showCard(job) {
  if (cards.has(job.id)) return cards.get(job.id);
  const card = new JobCard(find('#job-card'), { onCancel: cancel });
  cards.set(job.id, card);
  card.update(job);
  find('#jobs').prepend(card.element);
  find('#no-jobs').hidden = true;
  if (isActive(job)) follow(card);
  return card;
}

async function follow(card) {
  try {
    const ended = await client.pollJob(card.job.id, (job) => card.update(job), {
      onTrouble: (error) => card.showTrouble(error ? `${error.message} ${GOES_ON}` : ''),
      signal: polling.signal
    });
    if (ended) await showTokens(); // a job that failed is refunded
  } catch (error) {
    if (error.status === 401) showProblem(error);
    else card.showTrouble(error.message);
  }
}

async function cancel(job) {
  const question = 'Cancel this video? Its tokens are refunded only if its generation has not begun.';
  if (!confirm(question)) return;
  const card = cards.get(job.id);
  try {
    card.update(await client.cancelJob(job.id));
    card.focus();
  } catch (error) {
    card.showTrouble(`The job was not cancelled. ${error.message}`);
  }
}

function showProblem(error) {
  if (error.status === 401) {
    session.forget();
    return showSignIn(error.message);
  }
  find('#problem').hidden = false;
  find('#problem-text').textContent = error.message;
}

function showSignIn(message) {
  polling.abort();
  find('#account').hidden = true;
  signIn.show(message);
}

async function logOut() {
  polling.abort();
  find('#workspace').hidden = true;
  find('#jobs').replaceChildren();
  find('#account').hidden = true;
  signIn.show();
  form.clear();
  orderWasRefused();
  client.authToken = null;
  await session.logOut().catch(() => {}); // the service is away: the refresh token expires by itself
}
