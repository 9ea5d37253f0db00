// "/" leads to the search; after an action the focus is on its message, and Tab goes on from there.
"use strict";

const search = document.querySelector("#searchbar, #find");

document.addEventListener("keydown", (event) => {
  const types = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, [contenteditable]");
  if (event.key !== "/" || types || event.ctrlKey || event.metaKey || event.altKey || !search) return;
  event.preventDefault();
  search.select();
  search.focus();
});

if (document.activeElement === document.body) document.querySelector(".messagelist")?.focus();

/* Django's widget for many choices gives names to spans, which have no role. */
addEventListener("load", () => setTimeout(() => {
  document.querySelectorAll(".help-tooltip[aria-label]").forEach((each) => { each.role = "img"; });
}));
