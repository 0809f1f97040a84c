/* Counts a text message as carriers bill it, while it is typed: campaigns/segments.py and look_alikes.py in the browser.
   It holds no table: those come in `data-sms`, made by Python. A test compares both on hundreds of texts. */
"use strict";
(() => {
  const normal = (text) => text.normalize("NFC");
  const many = (count) => `${count.toLocaleString("en")} segment${count === 1 ? "" : "s"}`;
  const seen = (one) => !/[\p{C}\p{Z}\p{M}]/u.test(one);
  const hex = (one) => one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

  /* What is said of a text by these tables: the same functions, by the same names, as in Python. */
  function counter(tables) {
    const cost = new Map([...tables.basic].map((one) => [one, 1]));
    for (const one of tables.extension) cost.set(one, 2);
    const alike = new Map(Object.entries(tables.alike));
    const isEmoji = (one) => tables.emoji.some(([low, high]) => low <= one.codePointAt(0) && one.codePointAt(0) <= high);

    const outside = (text) => [...new Set([...normal(text)].filter((one) => !cost.has(one)))];

    function size(text) {
      const characters = [...normal(text)];
      const plain = characters.every((one) => cost.has(one));
      const encoding = plain ? tables.gsm : tables.ucs2;
      const lengths = characters.map((one) => (plain ? cost.get(one) : one.length));
      const units = lengths.reduce((sum, one) => sum + one, 0);
      if (units <= tables.alone[encoding]) return { encoding, units, segments: Math.min(characters.length, 1) };
      let [segments, used] = [1, 0];
      for (const length of lengths) {
        if (used + length > tables.split[encoding]) [segments, used] = [segments + 1, 0];
        used += length;
      }
      return { encoding, units, segments };
    }

    function special(one) {
      const known = alike.get(one);
      if (known) return { replacement: known[0], name: known[1], why: known[2], sure: true };
      const bare = [...one.normalize("NFD")][0];
      if (bare !== one && tables.basic.includes(bare)) {
        const why = `The alphabet of text messages lacks ${one}; ${bare} may be read as another word`;
        return { replacement: bare, name: `letter ${one}`, why, sure: false };
      }
      const name = isEmoji(one) ? "emoji" : `character ${seen(one) ? one : `U+${hex(one)}`}`;
      return { replacement: null, name, why: "Nothing in the alphabet of text messages stands for it", sure: false };
    }

    const parts = (text) => normal(text).split(new RegExp(`(${tables.kept})`, "u"));

    function replaced(text, only = "") {
      const swap = (one) => {
        if (cost.has(one) || (only && one !== only)) return one;
        const each = special(one);
        return each.replacement !== null && (only || each.sure) ? each.replacement : one;
      };
      return parts(text).map((part, n) => (n % 2 ? part : [...part].map(swap).join(""))).join("");
    }

    function specials(text) {
      const free = [...parts(text).filter((_, n) => n % 2 === 0).join("")];
      const count = (one) => free.filter((each) => each === one).length;
      return outside(text).map((one) => ({ character: one, times: count(one), ...special(one) }));
    }

    const plain = (text) => [...normal(text)].map((one) => (cost.has(one) ? one : special(one).replacement || "")).join("");

    function label(text) {
      const { encoding, units, segments } = size(text);
      const room = segments <= 1 ? tables.alone[encoding] : segments * tables.split[encoding];
      return `${units.toLocaleString("en")} of ${room.toLocaleString("en")} characters, ${many(segments)}`;
    }

    function subject(out, text) {
      if (out.every(isEmoji)) {
        const found = [...normal(text)].filter((one) => one.codePointAt(0) > 0xffff || out.includes(one));
        return ["the emoji", found.length > 1];
      }
      return out.length === 1 ? [`the ${special(out[0]).name}`, false] : ["these characters", true];
    }

    function saving(text) {
      const out = outside(text);
      if (!out.length) return "";
      const [now, then] = [size(text).segments, size(plain(text)).segments];
      const [what, several] = subject(out, text);
      if (now <= then || !then) {
        const [room, shorter] = [tables.alone[tables.gsm], tables.alone[tables.ucs2]];
        return `Because of ${what} a segment holds ${shorter} characters instead of ${room}.`;
      }
      const times = { 2: "double", 3: "triple" }[now / then];
      const verb = times ? `${times}${several ? "" : "s"} your cost` : `cost${several ? "" : "s"} more`;
      return `${what[0].toUpperCase()}${what.slice(1)} ${verb}: ${many(now)} instead of ${then}.`;
    }

    /* As campaigns/counting.py: of each field the value that takes least and most room. */
    const field = new RegExp(tables.field, "gu");
    const filled = (text, samples, n) => text.replace(field, (_, name) => (samples[name.trim()] || ["", ""])[n]);

    function counted(text, samples) {
      const [least, most] = [0, 1].map((n) => filled(text, samples, n));
      const [few, many] = [least, most].map((each) => size(each).segments);
      const words = few === many ? label(most) : `Up to ${label(most)}; ${few} for the shortest details`;
      const own = filled(text, {}, 0);
      const theirs = outside(most).filter((one) => !outside(own).includes(one));
      const said = theirs.length ? `Somebody's details have ${theirs[0]}, which no text of yours can change.` : "";
      const dear = saving(theirs.length ? own : most);
      return { label: words, saving: dear, specials: specials(text), theirs: said, most: many };
    }

    return { size, outside, specials, replaced, label, saving, counted };
  }

  /* ---- Below a text ---- */
  const $ = (css, root = document) => root.querySelector(css);
  const make = (tag, props, ...inside) => {
    const made = Object.assign(document.createElement(tag), props);
    made.append(...inside);
    return made;
  };
  const counters = new WeakMap(); // by the element that carries the tables

  function counterOf(box) {
    if (!counters.has(box)) counters.set(box, counter(JSON.parse(box.dataset.tables)));
    return counters.get(box);
  }

  /* What a text leaves as, where its addresses are made short. */
  const shortened = (text, links) => Object.entries(links).reduce((all, [from, to]) => all.replaceAll(from, to), text);

  function write(field, text) {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function row(one, channel) {
    const shown = seen(one.character) ? one.character : `U+${hex(one.character)}`;
    const item = make("li", { title: one.why }, make("mark", { textContent: shown }), ` ${one.name}`);
    if (one.times > 1) item.append(`, ${one.times} times`);
    if (one.replacement !== null && one.times) {
      const instead = one.replacement === " " ? "a space" : one.replacement || "nothing";
      const value = `${channel}:${hex(one.character)}`;
      item.append(" ", make("button", { className: "btn small", name: "what-fix", value, textContent: `Write ${instead}` }));
    }
    return item;
  }

  function show(box) {
    const field = document.getElementById(box.dataset.sms);
    if (!field) return;
    const { samples, links, channel } = box.dataset;
    const said = counterOf(box).counted(shortened(field.value, JSON.parse(links)), JSON.parse(samples));
    $("[data-label]", box).textContent = said.label;
    $("[data-saving]", box).textContent = said.saving;
    $("[data-theirs]", box).textContent = said.theirs;
    $("[data-specials]", box).replaceChildren(...said.specials.map((one) => row(one, channel)));
    $("[data-all]", box).hidden = said.specials.filter((one) => one.sure && one.times).length < 2;
  }

  document.addEventListener("input", ({ target }) => {
    const box = target.id && $(`[data-sms="${CSS.escape(target.id)}"]`);
    if (box) show(box);
  });

  /* What the server does to a text with this button is done at once. Before the form is sent: a click on it would. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sms] [name=what-fix]");
    if (!button) return;
    event.preventDefault();
    const box = button.closest("[data-sms]");
    const field = document.getElementById(box.dataset.sms);
    const code = button.value.split(":")[1];
    const only = code === "replace_all" ? "" : String.fromCodePoint(parseInt(code, 16));
    write(field, counterOf(box).replaced(field.value, only));
    field.focus();
  });

  window.smsCounter = counter;
})();
