/* The composer: says whether what was typed is saved, and warns before it is lost. */
"use strict";
(() => {
  const state = (form) => document.getElementById(form.id.replace("form-", "state-"));
  const unsaved = new Set();

  function changed(event) {
    const form = event.target.closest("[data-compose]");
    if (!form) return;
    unsaved.add(form);
    state(form).textContent = "Not saved yet";
  }
  document.addEventListener("input", changed);
  document.addEventListener("change", changed);
  document.addEventListener("htmx:beforeSend", ({ target }) => {
    if (!target.matches("[data-compose]")) return;
    unsaved.delete(target); // typed from now on, it is unsaved again
    state(target).textContent = "Saving";
  });
  for (const type of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(type, ({ target }) => {
      if (!target.matches("[data-compose]")) return;
      unsaved.add(target);
      state(target).textContent = "Not saved";
    });
  }
  window.addEventListener("beforeunload", (event) => {
    if (unsaved.size) event.preventDefault();
  });
})();
