// What Swagger UI lacks: dark colours where the browser asks for them, and names and levels for
// screen readers.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const name = (selector, label, role) => {
  const found = document.querySelector(selector);
  if (found && role) found.role = role;
  if (found) found.ariaLabel = label;
};

new MutationObserver(() => {
  name("#servers", "Server");
  name(".scheme-container", "Server and key", "region");
  const headings = document.querySelectorAll(":is(h3.opblock-tag, .models h4):not([aria-level])");
  for (const heading of headings) heading.setAttribute("aria-level", 2);
}).observe(document, { childList: true, subtree: true });
