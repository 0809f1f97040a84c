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

    return { size, outside, specials, replaced, label, saving };
  }

  window.smsCounter = counter;
})();
