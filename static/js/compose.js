/* The composer: says whether what was typed is saved, warns before it is lost, and puts merge fields into texts. */
"use strict";
(() => {
  const on = (type, act, options) => document.addEventListener(type, act, options);
  const ours = (target) => target.closest?.("[data-compose]");
  const unsaved = new Set(); // forms with something that was not sent yet, or did not arrive
  const sending = new Set();
  let then = null; // what was clicked while something was on its way, by its id

  function say(form, words) {
    document.getElementById(form.id.replace("form-", "state-")).textContent = words;
  }

  function changed({ target }) {
    const form = ours(target);
    if (!form) return;
    unsaved.add(form);
    say(form, "Not saved yet");
  }
  on("input", changed);
  on("change", changed);

  /* A word that is just being put together, as in Japanese, is not sent in between. */
  let composing = false;
  on("compositionstart", () => (composing = true));
  on("compositionend", ({ target }) => {
    composing = false;
    target.dispatchEvent(new Event("input", { bubbles: true }));
  });

  on("htmx:beforeRequest", (event) => {
    if (composing && event.target.matches("[data-compose]")) event.preventDefault();
  });
  on("htmx:beforeSend", ({ target, detail }) => {
    if (!target.matches("[data-compose]") || detail.requestConfig.verb === "get") return;
    unsaved.delete(target); // typed from now on, it is unsaved again
    sending.add(target);
    say(target, "Saving");
  });
  on("htmx:afterRequest", ({ target, detail }) => {
    const form = ours(target);
    if (!form) return;
    sending.delete(form);
    unsaved.forEach((one) => say(one, "Not saved yet")); // typed while the answer was on its way
    if (!detail.successful && detail.xhr.status !== 422) {
      unsaved.add(form);
      say(form, "Not saved");
      then = null;
    }
  });
  /* Where somebody types, or changed something since it was sent, nothing is replaced: cursor, selection and what can be
     undone stay. What follows from the text stands elsewhere on the page; the section itself follows a moment later. */
  const TYPED = "textarea, input:not([type=checkbox], [type=radio], [type=file], [type=submit], [type=button])";
  on("htmx:beforeSwap", ({ detail }) => {
    const { target, xhr } = detail;
    const form = ours(target);
    if (!form || !target.id.startsWith("fields-") || xhr.status !== 200 || detail.requestConfig.verb === "get") return;
    const at = document.activeElement;
    const typing = target.contains(at) && at.matches(TYPED) && !xhr.getResponseHeader("X-Rewrote")
      && !target.querySelector(".errors-summary, [role=alert]");
    if (!typing && !unsaved.has(form)) return;
    follow(detail.serverResponse);
    detail.swapOverride = "none";
  });
  /* What is said about a text is shown also while it is being written. */
  function follow(answer) {
    const made = new DOMParser().parseFromString(answer, "text/html");
    made.querySelectorAll("[data-follows]").forEach((one) => {
      document.getElementById(one.id)?.replaceChildren(...one.childNodes);
    });
  }
  /* What is unfolded stays so when its section is swapped, and what was just added is seen. */
  on("htmx:beforeSwap", ({ detail }) => {
    if (!ours(detail.target)) return;
    const open = [...document.querySelectorAll("#composer details[id][open]")].map((one) => one.id);
    if (detail.xhr.getResponseHeader("X-Rewrote")) open.push("who-conditions");
    open.forEach((id) => {
      detail.serverResponse = detail.serverResponse.replace(`<details id="${id}"`, `<details open id="${id}"`);
    });
  });
  on("htmx:afterSettle", () => {
    if (!then || sending.size || unsaved.size) return;
    const button = document.getElementById(then);
    then = null;
    if (button && !button.disabled) button.click();
  });
  /* The checks are asked again when somebody comes back, also by the browser's Back: not while something is to be saved,
     of which they follow anyway, nor below an open question. */
  on("htmx:beforeRequest", (event) => {
    if (event.target.id === "check" && (unsaved.size || sending.size)) event.preventDefault();
  });
  on("htmx:beforeSwap", ({ target, detail }) => {
    if (target.id === "check" && target.querySelector(":popover-open")) detail.shouldSwap = false;
  });
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted) htmx.trigger("#check", "look-again");
  });
  window.addEventListener("beforeunload", (event) => {
    if (unsaved.size || sending.size) event.preventDefault();
  });

  /* What follows from a save is waited for: nobody launches what they see and not what they wrote, and the answer to a
     save does not take back the step to another person. */
  on("click", (event) => {
    const button = event.target.closest?.("[data-after-saving]");
    if (!button || (!unsaved.size && !sending.size)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    then = button.id;
    unsaved.forEach((form) => form.requestSubmit());
  }, true);

  on("click", ({ target }) => {
    const button = target.closest?.("[data-insert]");
    if (!button) return;
    const field = button.closest("[data-text]").querySelector("textarea, input");
    field.focus();
    // Kept in the browser's history of the field, unlike a value that is set: it can be undone by the keyboard.
    if (!document.execCommand("insertText", false, button.dataset.insert)) {
      field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
})();
