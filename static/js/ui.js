/* What pages need beyond htmx. Works on attributes; docs/interface.md lists them. */
"use strict";
(() => {
  const $ = (css, root = document) => root.querySelector(css);
  const $$ = (css, root = document) => [...root.querySelectorAll(css)];
  const on = (type, act, root = document) => root.addEventListener(type, act);
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const clock = () => new Date().toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const results = () => $("#results") || document;
  const typing = (at) => at && at.matches("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");

  /* ---- Selection ---- */
  let last = null; // the box ticked before, where a shift-click starts
  const boxes = () => $$("[data-tick]", results());
  const ticked = () => boxes().filter((box) => box.checked);

  function selectAll(all) {
    const field = $("[data-all]", results());
    if (field) field.value = all ? "1" : "";
  }

  function showCount() {
    const count = ticked().length;
    const field = $("[data-all]", results());
    const button = $("[data-all-button]", results());
    const everything = field && field.value === "1";
    const head = $("[data-tick-all]", results());
    if (head) {
      head.checked = count > 0 && count === boxes().length;
      head.indeterminate = count > 0 && !head.checked;
    }
    if (button) button.hidden = everything || Number(button.dataset.total) <= count;
    for (const text of $$("[data-bulk-count]", results())) {
      const strong = make("b", { textContent: Number(everything ? button.dataset.total : count).toLocaleString("en") });
      text.replaceChildren(...(everything ? ["All ", strong] : [strong]), " selected");
    }
  }

  function tick(box, checked) {
    box.checked = checked;
    selectAll(false);
    showCount();
  }

  function clearTicks() {
    boxes().forEach((box) => (box.checked = false));
    selectAll(false);
    showCount();
  }

  on("click", (event) => {
    const box = event.target.closest("[data-tick]");
    if (box) {
      const all = boxes();
      if (event.shiftKey && last && all.includes(last)) {
        const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
        all.slice(from, to + 1).forEach((each) => (each.checked = box.checked));
      }
      last = box;
      tick(box, box.checked);
      return;
    }
    event.target.closest("dialog a")?.closest("dialog").close(); // it may lead to what lies behind
    const button = event.target.closest("button, [data-tick-all], [data-snooze]");
    if (!button) return;
    const has = (name) => name in button.dataset;
    const dialog = button.popoverTargetElement;
    if (dialog?.matches("dialog")) {
      event.preventDefault(); // it would be a pop-over: this keeps the focus
      button.closest(".menu")?.hidePopover();
      if (dialog.open) dialog.close();
      else dialog.showModal();
    }
    if (has("tickAll")) {
      boxes().forEach((each) => (each.checked = button.checked));
      selectAll(false);
      showCount();
    } else if (has("allButton")) {
      boxes().forEach((each) => (each.checked = true));
      selectAll(true);
      showCount();
      const count = $("[data-bulk-count]", results()); // the button goes: its focus moves to what it changed
      count.tabIndex = -1;
      count.focus();
    } else if (has("menu")) {
      unfold(button, $("#rail"));
    } else if (has("fold")) {
      unfold(button, button.closest(".filters"));
    } else if (has("help")) {
      help();
    } else if (has("copy")) {
      copy($(button.dataset.copy));
    } else if (has("print")) {
      print();
    } else if (has("snooze")) {
      event.preventDefault();
      snooze(button.id.slice(7));
    } else if (button.closest("#snooze")) {
      setTimeout(() => $("#snooze")?.close()); // not before htmx knows which button it was
    } else if (has("close")) {
      button.closest("[data-toast]").remove();
    }
  });

  /* Without a clipboard (no https, not allowed) the text is selected. */
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text.textContent);
      toast({ text: "Copied." });
    } catch {
      getSelection().selectAllChildren(text);
      toast({ text: "Selected. Copy it with Ctrl+C or Cmd+C." });
    }
  }

  /* One dialog for all rows: its buttons carry the row. */
  function snooze(row) {
    $$("#snooze [name]").forEach((button) => (button.value = button.value.replace(/:.*/, `:${row}`)));
    $("#snooze").showModal();
  }

  function unfold(button, part) {
    button.setAttribute("aria-expanded", part.classList.toggle("is-open"));
  }

  /* ---- Toasts ---- */
  function toast({ text, action, error }) {
    const box = $("#toast")?.content.firstElementChild?.cloneNode(true);
    if (!box) return null;
    $("p", box).textContent = text;
    if (error) box.classList.add("is-error");
    if (action) {
      const button = make("button", { type: "button", className: "toast-action", textContent: action.label });
      on("click", () => (box.remove(), action.act()), button);
      $("form", box).replaceWith(button);
    }
    const stack = $("#toasts");
    stack.append(box);
    while (stack.children.length > 3) stack.firstElementChild.remove();
    fade(box);
    return box;
  }

  /* Goes after 10 s, or as many as it says; while it is hovered or holds the focus the time stands still. */
  function fade(box, left = box.dataset.toast || 10) {
    const timer = setInterval(() => {
      if (!box.matches(":hover, :focus-within") && --left <= 0) box.remove();
      if (!box.isConnected) clearInterval(timer);
    }, 1000);
  }
  on("toast", (event) => toast(event.detail));

  /* Undo leads back to the list, where what is ticked by then stays ticked. */
  on("formdata", ({ target, formData }) => {
    if (!target.closest("[data-toast]")) return;
    for (const { name, value } of $$("[data-tick]:checked, [data-all]", results())) formData.append(name, value);
  });

  /* ---- Requests ---- */
  let shownAt = clock();
  let failed = null;
  const timers = new WeakMap();

  function busy(target, is) {
    clearTimeout(timers.get(target));
    if (is) timers.set(target, setTimeout(() => target.setAttribute("aria-busy", "true"), 150));
    else target.removeAttribute("aria-busy");
  }

  /* Equal views have equal addresses: no empty parameters, one order (data-order of the filter form). */
  on("htmx:configRequest", (event) => {
    const { verb, formData } = event.detail;
    if (verb !== "get") return;
    const order = ($("#filters")?.dataset.order || "").split(",");
    const place = (name) => (order.indexOf(name) + 1 || order.length + 1);
    const kept = [...formData].filter(([, value]) => value !== "").sort(([a], [b]) => place(a) - place(b));
    new Set(formData.keys()).forEach((name) => formData.delete(name));
    kept.forEach(([name, value]) => formData.append(name, value));
  });
  on("htmx:beforeRequest", ({ detail }) => busy(detail.target, true));
  on("htmx:afterRequest", ({ detail }) => busy(detail.target, false));

  /* What was refused, or never left, did nothing. Of any other request nobody knows. */
  function failure({ detail, type }) {
    failed?.remove();
    const { requestConfig, target, xhr } = detail;
    const { verb, path, elt } = requestConfig;
    const reading = verb === "get";
    const refused = xhr.status > 399 && xhr.status < 500;
    const idle = refused || (type === "htmx:sendError" && !left);
    const reason = xhr.getResponseHeader("X-Reason"); // only of what was not done
    const text = reason
      || (reading ? `Could not refresh. Showing ${shownAt}.`
        : idle ? `That ${refused ? "was refused" : "did not reach the server"}. Nothing was changed.`
        : "We do not know whether it was done. Look before trying again.");
    const again = { label: "Retry", act: () => htmx.ajax(verb, path, { source: elt, target }) };
    const action = reason || reading || idle ? again : { label: "Look", act: () => location.reload() };
    failed = toast({ text, error: true, action });
  }
  let left = false;
  on("htmx:beforeSend", () => (left = false));
  on("htmx:xhr:progress", () => (left = true));
  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((type) => on(type, failure));

  let hadFocus = false;
  on("htmx:beforeSwap", ({ detail }) => (hadFocus = detail.target.contains(document.activeElement)));
  on("htmx:afterSwap", () => {
    failed?.remove();
    shownAt = clock();
    $(".newbar")?.remove();
    showCount();
  });
  on("htmx:afterSettle", () => {
    // What had the focus is gone: the count takes it, or a keyboard user would start at the top again.
    if (hadFocus && document.activeElement === document.body) $("#count")?.focus();
    hadFocus = false;
  });

  /* ---- Polling ---- */
  const outcomes = (root) => Number($("[data-outcomes]", root)?.dataset.outcomes || 0);

  const row = () => document.activeElement?.closest("tr[tabindex]");

  function poll() {
    if (document.hidden) return;
    for (const live of $$("[data-live]")) {
      if (ticked().length || typing(document.activeElement) || row()) peek(live);
      else htmx.trigger(live, "refresh");
    }
  }

  /* Somebody is at work: count what is new, and change nothing under their hands. */
  async function peek(live) {
    try {
      const answer = await fetch(live.getAttribute("hx-get"), { headers: { "HX-Request": "true" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const count = outcomes(page) - outcomes(document);
      if (count > 0) announce(live, count);
    } catch {
      // No network: the next round tries again.
    }
  }

  function announce(live, count) {
    $(".newbar")?.remove();
    const bar = make("div", { className: "newbar" });
    const button = make("button", { type: "button", className: "btn small", textContent: "Show" });
    bar.append(`${count.toLocaleString("en")} new ${count === 1 ? "outcome" : "outcomes"}.`, button);
    on("click", () => (clearTicks(), bar.remove(), htmx.trigger(live, "refresh")), button);
    results().before(bar);
  }
  setInterval(poll, 15000);

  /* ---- Keyboard ---- */
  const FLAG = "waybill.shortcuts";
  let going = 0;
  const rows = () => $$("tr[tabindex]", results());
  const help = () => $("#help")?.showModal();

  function move(step) {
    const all = rows();
    const to = all[Math.min(Math.max(all.indexOf(row()) + step, 0), all.length - 1)];
    to?.focus();
    to?.scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    "/": () => $("#s")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    x: () => {
      const box = row() && $("[data-tick]", row());
      if (box) tick((last = box), !box.checked);
    },
    a: () => row() && $("[data-act]", row())?.click(),
    g: () => (going = Date.now()),
    "?": help,
  };

  on("keydown", (event) => {
    if (event.key === "Escape" && !$("dialog[open]") && ticked().length) clearTicks();
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || $("dialog[open]")) return;
    if (localStorage.getItem(FLAG) === "off") return;
    const place = Date.now() - going < 1500 && /^[a-z]$/.test(event.key) && $(`.rail [data-key=${event.key}]`);
    const act = place ? () => place.click() : KEYS[event.key];
    if (event.key === "Enter" && event.target.matches("tr[tabindex]")) $("[data-open]", event.target)?.click();
    if (!act) return;
    event.preventDefault();
    act();
  });

  const toggle = $("#keys-on");
  if (toggle) {
    toggle.checked = localStorage.getItem(FLAG) !== "off";
    on("change", () => (toggle.checked ? localStorage.removeItem(FLAG) : localStorage.setItem(FLAG, "off")), toggle);
  }

  $$("[data-toast]").forEach((box) => fade(box));
  on("beforeprint", () => $$("details.data-table").forEach((table) => (table.open = true)), window);
  on("htmx:load", () => $$(".tabs [aria-current]").forEach((tab) => (tab.parentNode.scrollLeft = tab.offsetLeft - 40)));
  // Times are the reader's, from the next page on.
  document.cookie = `tz=${Intl.DateTimeFormat().resolvedOptions().timeZone};path=/;max-age=31536000;samesite=lax`;
  showCount();
})();
