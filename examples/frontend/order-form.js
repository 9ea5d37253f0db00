// The form: fills its lists from the models, offers only what the chosen model accepts, previews
// images, and shows each error at its field.

import { choicesFor } from './choices.js';

const LABELS = {
  '720p': '720p (HD)',
  '1080p': '1080p (Full HD)',
  '16:9': '16:9 (Landscape)',
  '9:16': '9:16 (Portrait)'
};
const IMAGES = ['initialImage', 'endFrame', 'referenceImages'];
const TEXTS = ['negativePrompt', 'seed']; // which some models do not take

export class OrderForm {
  constructor(form, { onSubmit, onChange }) {
    this.form = form;
    this.fields = form.elements;
    this.models = [];
    this.onChange = onChange;
    this.isSending = false;
    form.addEventListener('change', (event) => this.changed(event.target));
    form.addEventListener('input', (event) => showFieldError(form, event.target.name, ''));
    form.addEventListener('click', (event) => this.removeImages(event.target.dataset.remove));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit(onSubmit);
    });
  }

  showModels(models) {
    this.models = models;
    this.fields.model.replaceChildren(...models.map(({ id }) => new Option(modelName(id), id)));
    this.update();
  }

  clear() {
    this.form.reset();
    for (const name of IMAGES) this.clearImages(name);
    this.update();
  }

  /** The order as `createJob` takes it. */
  get order() {
    const { prompt, model, resolution, aspectRatio, durationSeconds } = this.fields;
    return {
      prompt: prompt.value.trim(),
      negativePrompt: enabledText(this.fields.negativePrompt),
      seed: enabledText(this.fields.seed),
      model: model.value,
      resolution: resolution.value,
      aspectRatio: aspectRatio.value,
      durationSeconds: durationSeconds.value,
      generateAudio: this.fields.generateAudio.checked,
      mockMode: this.fields.mockMode.checked,
      private: this.fields.private.checked,
      initialImage: this.fields.initialImage.files[0] ?? null,
      endFrame: this.fields.endFrame.files[0] ?? null,
      referenceImages: [...this.fields.referenceImages.files]
    };
  }

  async submit(onSubmit) {
    if (this.isSending) return;
    this.setSending(true);
    this.showErrors([]);
    this.showMessage('');
    try {
      await onSubmit(this.order);
    } finally {
      this.setSending(false);
    }
  }

  /** Marks each field that `errors` names; whether all of them are shown. */
  showErrors(errors) {
    return showErrors(this.form, errors);
  }

  showMessage(text) {
    this.form.querySelector('.form-message').textContent = text;
  }

  changed(field) {
    if (IMAGES.includes(field.name)) this.preview(field);
    this.update();
    if (field.name !== 'prompt') this.onChange(this.order);
  }

  /** The cost on the button; below it why there is none, so that no click misses the button. */
  showQuote(quote, problem) {
    const submit = this.form.querySelector('[type=submit]');
    submit.textContent = quote ? `Generate Video (${amount(quote.tokens)})` : 'Generate Video';
    const shortage = quote?.affordable === false && `This video costs ${amount(quote.tokens)}, but you have ${quote.availableTokens}.`;
    this.form.querySelector('.quote').textContent = shortage || problem;
  }

  removeImages(name) {
    if (!name) return;
    this.fields[name].value = '';
    showFieldError(this.form, name, '');
    this.changed(this.fields[name]);
    this.fields[name].focus();
  }

  /** Of a model that Google does not offer now, only sample videos can be made. */
  offerModels() {
    const select = this.fields.model;
    const isReal = !this.fields.mockMode.checked;
    const missing = this.models.filter(({ available }) => isReal && available === false);
    for (const option of select.options) option.disabled = missing.some(({ id }) => id === option.value);
    const offered = [...select.options].find(({ disabled }) => !disabled);
    if (select.selectedOptions[0]?.disabled && offered) select.value = offered.value;
    const names = missing.map(({ id }) => modelName(id)).join(', ');
    this.form.querySelector('#model-hint').textContent = names && `Google does not offer ${names} at the moment.`;
  }

  /** Offers what fits the model, the images and the resolution. */
  update() {
    this.offerModels();
    const model = this.models.find(({ id }) => id === this.fields.model.value);
    if (!model) return;
    offer(this.fields.resolution, model.resolutions);
    let choices = choicesFor(model, this.order);
    for (const name of IMAGES) {
      if (!choices[name] && this.fields[name].files.length) this.clearImages(name);
    }
    choices = choicesFor(model, this.order);
    offer(this.fields.durationSeconds, choices.durationSeconds, (seconds) => `${seconds} seconds`);
    offer(this.fields.aspectRatio, choices.aspectRatio);
    for (const name of [...IMAGES, ...TEXTS]) this.fields[name].disabled = !choices[name];
    this.fields.endFrame.closest('.field').hidden = !choices.endFrame;
    for (const [name, text] of Object.entries(choices.hints)) {
      this.form.querySelector(`#${name}-hint`).textContent = text;
    }
  }

  clearImages(name) {
    this.fields[name].value = '';
    this.preview(this.fields[name]);
  }

  preview(field) {
    const box = this.form.querySelector(`#${field.name}-preview`);
    for (const image of box.querySelectorAll('img')) URL.revokeObjectURL(image.src);
    box.querySelector('.images').replaceChildren(...[...field.files].map(thumbnail));
    box.hidden = !field.files.length;
  }

  setSending(isSending) {
    this.isSending = isSending;
    // Not `disabled`, which would take the focus away from the button.
    this.form.querySelector('[type=submit]').setAttribute('aria-disabled', isSending);
    this.form.setAttribute('aria-busy', isSending);
  }
}

/**
 * Shows the API's `errors` at the fields of any form that names them as the API does, and moves the
 * focus to the first one. Whether each error has a field here.
 */
export function showErrors(form, errors) {
  for (const element of form.querySelectorAll('.field-error')) element.textContent = '';
  for (const field of form.elements) field.removeAttribute('aria-invalid');
  const shown = errors.filter(({ field, message }) => showFieldError(form, field, message));
  if (shown.length) form.elements[shown[0].field].focus();
  return shown.length > 0 && shown.length === errors.length;
}

function showFieldError(form, name, message) {
  const field = name && form.elements[name];
  const error = name && form.querySelector(`[data-error="${CSS.escape(name)}"]`);
  if (!field || !error) return false;
  if (message && error.textContent) error.textContent += `. ${message}`;
  else error.textContent = message;
  if (message) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  return true;
}

/** The options of a list. What was chosen stays chosen if it is still there; else the last one is. */
function offer(select, values, label = (value) => LABELS[value] ?? value) {
  const chosen = select.value;
  select.replaceChildren(...values.map((value) => new Option(label(value), value)));
  const isOffered = values.map(String).includes(chosen);
  select.value = isOffered ? chosen : select.dataset.default ?? values.at(-1);
  if (select.selectedIndex < 0) select.selectedIndex = values.length - 1;
}

const enabledText = (field) => (field.disabled ? '' : field.value.trim());

export const amount = (tokens) => (tokens === 1 ? '1 token' : `${tokens} tokens`);

function thumbnail(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  image.alt = file.name;
  image.addEventListener('error', () => image.remove()); // no image: the service says so
  return image;
}

/** "veo-3.1-fast-generate-preview" is "Veo 3.1 Fast (Preview)". */
function modelName(id) {
  const [kind, version, ...words] = id.split('-');
  const name = [kind, version, ...words.filter((word) => word !== 'generate')];
  const suffix = name.pop();
  return `${name.map((word) => word[0].toUpperCase() + word.slice(1)).join(' ')} (${
    suffix === 'preview' ? 'Preview' : suffix})`;
}
