"use strict";
// Pages work without this file. It asks before what cannot be undone, guards unsaved forms, and moves focus to what was found wrong.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
  else delete event.target.dataset.changed;
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-guard]");
  if (form) form.dataset.changed = "1";
});
window.addEventListener("beforeunload", (event) => {
  if (document.querySelector("form[data-changed]")) event.preventDefault();
});
document.querySelector("[data-focus]")?.focus();
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
