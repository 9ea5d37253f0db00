// The API guide and the front page: a button that copies each block of code.
'use strict';

// Without HTTPS, browsers have no navigator.clipboard, but they can still copy a selection.
const copy = async (code) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(code.textContent);
  getSelection().selectAllChildren(code);
  document.execCommand('copy');
};

for (const block of document.querySelectorAll('.guide .code')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await copy(block.querySelector('code'));
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  block.append(button);
}
