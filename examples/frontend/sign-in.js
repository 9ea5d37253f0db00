// The three ways to an access token: log in, create an account, or paste a token.

import { showErrors } from './order-form.js';

export class SignIn {
  constructor(section, session, { onSignedIn }) {
    this.section = section;
    const run = (selector, action) => {
      const form = section.querySelector(selector);
      form.addEventListener('submit', async (event) => {
        event.preventDefault();
        await this.try(form, () => action(Object.fromEntries(new FormData(form))), onSignedIn);
      });
    };
    run('#log-in', (fields) => session.logIn(fields));
    run('#register', async (fields) => {
      await session.register(fields);
      await session.logIn(fields);
    });
    run('#paste', ({ token }) => session.useToken(token.trim()));
  }

  show(message = '') {
    this.section.hidden = false;
    this.section.querySelector('.sign-in-message').textContent = message;
    if (message) this.section.querySelector('#log-in input').focus();
  }

  hide() {
    this.section.hidden = true;
  }

  async try(form, action, onSignedIn) {
    const message = form.querySelector('.form-message');
    message.textContent = '';
    showErrors(form, []);
    try {
      await action();
      form.reset();
    } catch (error) {
      if (!showErrors(form, error.errors)) message.textContent = error.message;
      return;
    }
    await onSignedIn();
  }
}
