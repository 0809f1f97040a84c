/* Long lists of boxes are narrowed by what is typed above them. The page works without. */
"use strict";
(() => {
  const SHOWN_FROM = 8;

  function narrow(box) {
    const words = box.value.trim().toLowerCase();
    box.closest("[data-narrow]").querySelectorAll(".choices > label").forEach((label) => {
      const chosen = label.querySelector("input").checked;
      label.hidden = !chosen && !label.textContent.toLowerCase().includes(words);
    });
  }

  function begin(root) {
    root.querySelectorAll?.("[data-narrow]").forEach((group) => {
      const box = group.querySelector("[data-find]");
      box.closest(".row").hidden = group.querySelectorAll(".choices > label").length < SHOWN_FROM;
    });
  }

  /* What is looked for is no part of the form: it is not saved. */
  document.addEventListener("input", (event) => {
    if (!event.target.matches?.("[data-find]")) return;
    event.stopImmediatePropagation();
    narrow(event.target);
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-find]")) event.stopImmediatePropagation();
  }, true);
  htmx.onLoad(begin);
})();
