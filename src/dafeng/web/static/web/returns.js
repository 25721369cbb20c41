"use strict";
// The form saves each line as it is left (htmx); here its fields learn what was found, and the guard against leaving is lifted.
document.body.addEventListener("htmx:oobAfterSwap", (event) => {
  const told = event.detail.target;
  if (!told.id?.startsWith("told-")) return;
  const field = document.getElementById(told.id.replace("told-", "value-"));
  const now = document.getElementById(told.id);
  if (!field || !now) return;
  if (now.dataset.severity === "error") field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
});
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 409) event.detail.shouldSwap = true;
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  const row = event.detail.elt;
  if (!event.detail.successful) return;
  row.classList.add("kept");
  const form = document.getElementById("form");
  if (form && !document.querySelector("tr.htmx-request")) delete form.dataset.changed;
});
