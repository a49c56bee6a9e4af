"use strict";
// Text reaches the page through textContent only, so rows cannot bring markup with them.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 10;
  const titles = { later: "what became of it", target: "right answer" };

  function make(tag, text, style) {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = String(text);
    if (style) node.className = style;
    return node;
  }
  function fact(box, name, value) {
    if (value === null || value === undefined || value === "") return;
    const span = make("span");
    span.append(make("span", name + " ", "k"), make("b", value));
    box.append(span);
  }
  function badge(text) { return make("span", text, "badge " + text.split(" ")[0]); }
  function number(value, digits) { return value === null ? null : value.toFixed(digits); }
  function inputs(values) {
    const names = Object.keys(values);
    return names.map(function (n) { return names.length > 1 ? n + ": " + values[n] : values[n]; }).join("\n");
  }
  function details(pairs, open) {
    const box = make("details");
    box.open = Boolean(open);
    const list = make("dl");
    pairs.forEach(function (pair) {
      if (pair[1] === null || pair[1] === undefined || pair[1] === "") return;
      list.append(make("dt", pair[0]), make("dd", pair[1]));
    });
    if (!list.children.length) return null;
    box.append(make("summary", "Details"), list);
    return box;
  }

  function failure(row) {
    const box = make("div", null, "row");
    const facts = make("div", null, "facts");
    box.append(make("p", inputs(row.inputs), "said"), facts);
    facts.append(badge(row.later));
    fact(facts, "right", row.target);
    fact(facts, "answered", row.answer === null ? "(unreadable)" : row.answer);
    fact(facts, "confidence", number(row.confidence, 2));
    fact(facts, "round", row.round);
    fact(facts, "", row.split);
    fact(facts, "pattern", row.pattern);
    const more = details([
      ["Root cause", row.root_cause], ["Scenario", row.scenario],
      ["Whole answer", row.text !== row.answer ? row.text : ""],
      ["Source", row.source], ["Example", row.example], ["Seed", row.seed],
    ]);
    if (more) box.append(more);
    return box;
  }
  function candidate(row) {
    const box = make("div", null, "row");
    const facts = make("div", null, "facts");
    box.append(make("p", inputs(row.inputs), "said"), facts);
    facts.append(badge(row.outcome));
    fact(facts, "reason", row.outcome === "rejected" ? row.reason : "");
    fact(facts, "target", row.target);
    fact(facts, "operator", row.operator);
    fact(facts, "pattern", row.pattern);
    fact(facts, "round", row.round);
    fact(facts, "attempt", row.attempt);
    const scored = row.scores.some(function (s) { return s !== null; });
    const names = ["adherence", "utility", "relevance"];
    const judge = row.scores.map(function (s, i) { return names[i] + " " + (s === null ? "–" : s); }).join(", ");
    const more = details([
      ["Seed row", inputs(row.parent_inputs) + (row.parent_target ? "  →  " + row.parent_target : "")],
      ["Strategy", row.strategy],
      ["Judge", scored ? judge + (row.judge_agrees === null ? "" : row.judge_agrees ? " (passes)" : " (below the minimum)") : ""],
      ["Similarity to seed", number(row.similarity, 3)],
      ["Nearer to its own label by", number(row.neighbour, 3)],
      ["Detail", row.detail], ["Feedback", row.feedback], ["Candidate", row.id], ["Loop seed", row.seed],
    ]);
    if (more) box.append(more);
    return box;
  }

  document.querySelectorAll(".browser").forEach(function (root) {
    const rows = data[root.dataset.rows];
    const draw = root.dataset.rows === "failures" ? failure : candidate;
    const texts = rows.map(function (row) { return JSON.stringify(Object.values(row)).toLowerCase(); });
    const chosen = {};
    let words = "", page = 0;
    const controls = make("div", null, "controls"), list = make("div"), pager = make("div", null, "pager");
    const search = make("input");
    search.type = "search";
    search.placeholder = "words in any field";
    const box = make("label", "search", "wide");
    box.append(search);
    controls.append(box);
    search.addEventListener("input", function () { words = search.value.toLowerCase(); page = 0; show(); });
    root.dataset.filters.split(",").forEach(function (field) {
      const values = Array.from(new Set(rows.map(function (row) { return String(row[field]); }))).sort();
      if (values.length < 2) return;
      const label = make("label", titles[field] || field), select = make("select");
      select.append(new Option("all", "\u0000"));
      values.forEach(function (value) { select.append(new Option(value || "(none)", value)); });
      select.addEventListener("change", function () {
        if (select.selectedIndex) chosen[field] = select.value; else delete chosen[field];
        page = 0;
        show();
      });
      label.append(select);
      controls.append(label);
    });
    const back = make("button", "Previous"), next = make("button", "Next"), where = make("span");
    where.setAttribute("aria-live", "polite");
    back.addEventListener("click", function () { page -= 1; show(); });
    next.addEventListener("click", function () { page += 1; show(); });
    pager.append(back, next, where);
    root.append(controls, list, pager);

    function show() {
      const parts = words.split(/\s+/).filter(Boolean);
      const found = rows.filter(function (row, i) {
        return parts.every(function (w) { return texts[i].includes(w); }) &&
          Object.keys(chosen).every(function (f) { return String(row[f]) === chosen[f]; });
      });
      const from = page * PAGE;
      list.replaceChildren.apply(list, found.slice(from, from + PAGE).map(draw));
      if (!found.length) list.append(make("p", "No row matches.", "empty"));
      where.textContent = found.length
        ? (from + 1) + " to " + Math.min(from + PAGE, found.length) + " of " + found.length : "0 rows";
      back.disabled = page === 0;
      next.disabled = from + PAGE >= found.length;
    }
    show();
  });
})();
