"use strict";
// Review by keyboard: J and K walk through the items, A accepts, E opens the fields. The page works without it.
(() => {
  const items = () => [...document.querySelectorAll("[data-item]")];
  const go = (item) => {
    if (!item) return;
    item.focus();
    document.getElementById(`w-${item.id.slice(2)}`)?.scrollIntoView({ block: "center" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    const all = items();
    const here = all.indexOf(document.activeElement?.closest("[data-item]"));
    const key = event.key.toLowerCase();
    if (key === "j") go(all[here + 1] ?? all[0]);
    else if (key === "k") go(all[Math.max(here - 1, 0)]);
    else if (key === "a" && here >= 0) all[here].querySelector("[data-accept]")?.click();
    else if (key === "e" && here >= 0) {
      const fields = all[here].querySelector("details");
      if (fields) { fields.open = true; fields.querySelector("input, select")?.focus(); }
    } else return;
    event.preventDefault();
  });
  // after a decision the next undecided item takes the focus; what was refused keeps it
  document.addEventListener("htmx:afterSwap", (event) => {
    const done = event.detail.elt.closest?.("[data-item]") ?? document.getElementById(event.detail.elt.id);
    const fault = done?.querySelector("[data-focus]");
    if (fault) return fault.focus();
    const all = items();
    go(all[all.indexOf(done) + 1] ?? done);
  });
})();
