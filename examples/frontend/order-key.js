// The Idempotency-Key of an order. The same order gets the same key until the service has refused
// it, or until some seconds after it was accepted: so a double click, a retry after a lost response
// and a second try after a reload are paid once.

import { newKey } from './studio-client.js';

const STORED = 'studio-order';
const SAME_ORDER = 10_000; // milliseconds after the response in which the same order is a mistake

export function keyFor(params) {
  const content = JSON.stringify(params, (name, value) => (value instanceof File ? describe(value) : value));
  const last = read();
  const isOver = last?.acceptedAt && Date.now() - last.acceptedAt > SAME_ORDER;
  if (last?.content === content && !isOver) return last.key;
  const key = newKey();
  write({ content, key });
  return key;
}

export function orderWasAccepted() {
  write({ acceptedAt: Date.now(), ...read() });
}

export function orderWasRefused() {
  sessionStorage.removeItem(STORED);
}

const describe = ({ name, size, type, lastModified }) => ({ name, size, type, lastModified });
const read = () => JSON.parse(sessionStorage.getItem(STORED));
const write = (order) => sessionStorage.setItem(STORED, JSON.stringify(order));
