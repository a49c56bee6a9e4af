// From an empty folder to a second run on what a person said, as a newcomer does it in Chromium; the models are real.
//
//   node whole.mjs WEB CHROMIUM PYTHON PROJECT FILE SEEN OUT
//
// WEB is the folder with node_modules, PROJECT an empty folder, FILE a CSV with the columns Message and Topic, SEEN a
// file for what is seen on the way, OUT a folder for pictures (empty: none). The studio is started here, killed while
// the first run goes on, and started again. Prints what went wrong as JSON.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";

const [web, chromium, python, project, file, told, out] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const MINUTE = 60_000;
const ROWS = "16";
const SETTINGS = "augment.rows_per_round=24\nloop.rounds=1";
const wrong = [];
const seen = {};
let at = "begin";
/** The studio is away: that nothing is answered is as it should be. */
let away = false;
const say = (what) => wrong.push(`${at}: ${what}`);
const must = (isTrue, what) => isTrue || say(what);
const began = Date.now();
function on(name, found = {}) {
  seen[name] = { second: Math.round((Date.now() - began) / 1000), ...found };
  writeFileSync(told, JSON.stringify(seen, null, 1));
}

function studio(port = 0) {
  const child = spawn(python, ["-m", "engine.cli", "studio", "--no-browser", "--port", String(port), project], { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    child.stdout.once("data", (line) => resolve({ child, url: String(line).trim() }));
    child.once("exit", () => reject(new Error("the studio ended")));
  });
}
const ended = (child) => new Promise((resolve) => (child.once("exit", resolve), child.kill("SIGKILL")));

let { child, url } = await studio();
const own = new URL(url).origin;
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const end = setTimeout(() => (say("it takes longer than 58 minutes"), void browser.close()), 58 * MINUTE);
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce" });
  await context.exposeFunction("breached", (what) => say(`breach of the policy: ${what}`));
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (event) => window.breached(`${event.violatedDirective} ${event.blockedURI}`)));
  context.on("console", (message) => {
    const isExpected = away && message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !isExpected) say(message.text());
  });
  context.on("weberror", (error) => say(String(error.error())));
  const page = await context.newPage();
  page.setDefaultTimeout(3 * MINUTE);
  page.on("dialog", (dialog) => (say(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  const picture = async (name) => out && (await page.screenshot({ path: `${out}/whole-${name}.png`, fullPage: true }));
  /** A page was looked at: it tells of nothing that is wrong. */
  const well = async (name) => {
    for (const text of await page.locator("[role=alert]").allInnerTexts()) if (text.trim()) say(text);
    await picture(name);
  };
  const button = (name) => page.getByRole("button", { name, exact: true });
  const tab = (name) => page.locator("nav.tabs").getByRole("link", { name, exact: true }).click();
  const here = () => page.evaluate(() => location.hash);
  const count = (selector) => page.locator(selector).count();

  at = "new";
  await page.goto(url, { waitUntil: "networkidle" });
  await page.goto(`${own}/#/new`);
  await button("Choose a file…").waitFor();
  // Dropped, as from a window of the desktop.
  const dropped = await page.evaluateHandle(([bytes, name]) => {
    const given = new DataTransfer();
    given.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name, { type: "text/csv" }));
    return given;
  }, [readFileSync(file).toString("base64"), basename(file)]);
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: dropped });
  const show = button("Show the recipe");
  await show.waitFor();
  for (const [question, answer] of [["target", "Topic"], ["input", "Message"], ["teacher", "embedded"]]) {
    await page.locator(`input[name="field--${question}"][value="${answer}"]`).check();
    await page.waitForLoadState("networkidle");
  }
  await show.click();
  await button("Create the recipe").waitFor();
  await well("new");
  await button("Create the recipe").click();
  await page.waitForURL(/#\/recipe\//);

  at = "edit";
  await page.locator("main h1").waitFor();
  const recipe = await here();
  const problems = page.locator(".problems");
  const says = async (text) => (await problems.locator("summary", { hasText: text }).waitFor(), problems.innerText());
  const type = async (key, value) => {
    const field = page.locator(`[id="f:${key}"]`);
    await field.fill(value);
    await field.press("Enter");
  };
  await says("No problems.");
  // Two mistakes are typed: each is said, and leads to its line; with them the rows are not read.
  await type("train.epochs", "0");
  await says("1 error");
  await type("train.batch_size", "0");
  await says("2 errors");
  const answered = page.waitForResponse((answer) => answer.url().endsWith("/api/recipes/check"));
  await button("Check with the data").click();
  await answered;
  await button("Check with the data").waitFor();
  const wrongs = await says("2 errors");
  must(/epochs/.test(wrongs) && /batch_size/.test(wrongs) && /The rows were not read\./.test(wrongs), `what is wrong: ${wrongs}`);
  await picture("mistakes");
  await problems.getByRole("button", { name: /^Line / }).first().click();
  await type("train.batch_size", "4");
  await says("1 error");
  await type("train.epochs", "1");
  await says("No problems.");
  await button("Check with the data").click();
  const checked = await says("The rows were read, too.");
  must(checked === "No problems. The rows were read, too.", `the check says: ${checked}`);
  await page.locator(".head .badge").waitFor();
  await button("Save").click();
  await page.locator(".head .badge").waitFor({ state: "detached" });
  await well("edit");
  on(at, { recipe, wrongs, checked });

  at = "plan";
  const plans = async () => {
    await page.getByLabel("Rows of a split at most").fill(ROWS);
    await page.getByLabel("Other values than the recipe's").fill(SETTINGS);
    const answered = page.waitForResponse((answer) => answer.url().endsWith("/api/running/plan"));
    await button("Plan with these").click();
    await answered;
    await page.waitForLoadState("networkidle");
    await page.locator(".graph .node").first().waitFor();
  };
  await tab("Plan");
  await plans();
  must((await count(".graph .node.pending")) === (await count(".graph .node")), "steps are done before a run");
  await well("plan");
  on(at, { steps: await count(".graph .node"), takes: await page.locator("section[aria-labelledby=takes] dl").innerText() });

  at = "preview";
  await tab("Preview");
  await button("Start the preview").click();
  await button("Stop the preview").waitFor();
  await page.getByRole("heading", { name: "Validation rows, and what the student answered" }).waitFor({ timeout: 20 * MINUTE });
  const stories = page.locator('h2:text-is("Validation rows, and what the student answered") + .two article');
  const written = page.locator('h2:text-is("New rows, and what became of them") + .two article');
  await stories.first().waitFor();
  must((await stories.count()) === 5, `${await stories.count()} rows of the preview`);
  await well("preview");
  on(at, { rows: await stories.count(), written: await written.count(), first: await stories.first().innerText() });

  const begin = async () => {
    await button("Run it…").click();
    await page.locator("dialog[open]").getByRole("button", { name: "Run it", exact: true }).click();
    await page.waitForURL(/#\/run\//);
    await page.locator(".graph .node.running").first().waitFor();
    return page.locator("main h1").innerText();
  };
  const isDone = async () => {
    await page.locator("header .now").waitFor({ state: "detached", timeout: 20 * MINUTE });
    await page.locator(".badge:text-is('done')").waitFor();
    // On the page that was open all the while, each student is there at last.
    await page.locator("section[aria-labelledby=moves] tbody tr").nth(1).waitFor();
  };
  at = "run";
  await tab("Plan");
  await plans();
  seen.title = await begin();
  await page.waitForFunction(() => document.querySelectorAll(".graph .node.done").length > 3, undefined, { timeout: 20 * MINUTE });
  const before = await count(".graph .node.done");
  await well("live");
  on(at, { now: await page.locator("header .now").innerText(), done: before });

  // The studio goes, and the run does not.
  at = "killed";
  away = true;
  await ended(child);
  const gone = page.locator(".gone");
  await gone.filter({ hasText: "does not answer" }).waitFor();
  await picture("gone");
  ({ child, url } = await studio(Number(new URL(url).port)));
  await gone.filter({ hasText: "started anew" }).waitFor();
  const again = await context.newPage();
  await again.goto(url, { waitUntil: "networkidle" });
  await page.bringToFront();
  await gone.waitFor({ state: "detached" });
  await again.close();
  away = false;
  await page.waitForFunction((least) => document.querySelectorAll(".graph .node.done").length > least || !document.querySelector("header .now"), before, { timeout: 20 * MINUTE });
  on(at, { done: await count(".graph .node.done") });

  at = "done";
  await isDone();
  await page.locator("#scores").waitFor();
  await page.locator("#use").waitFor();
  await page.locator("section[aria-labelledby=use] code").first().waitFor();
  await well("done");
  on(at, { said: await page.locator(".said").first().innerText(), use: await page.locator("section[aria-labelledby=use]").innerText() });

  at = "failures";
  await tab("Failures");
  await page.getByLabel("Student").selectOption("all");
  await page.locator("tbody td[data-label=Row] a").first().waitFor();
  const failures = await page.locator("main [role=status]").first().innerText();
  await well("failures");
  await page.locator("tbody td[data-label=Row] a").first().click();
  await page.getByRole("heading", { name: /^A row of/ }).waitFor();
  await well("row");
  on(at, { failures, row: await page.locator("main h1").innerText() });

  at = "patterns";
  await tab("Patterns");
  await page.locator(".card").first().waitFor();
  await well("patterns");
  const pattern = await page.locator(".card h2").first().innerText();
  await page.locator(".card h2 a").first().click();
  await page.locator("main h1", { hasText: pattern }).waitFor();
  await page.locator("main td[data-label=Row] a").first().waitFor();
  await well("pattern");
  await tab("Map");
  await page.locator("main circle").first().waitFor();
  await well("map");
  on(at, { pattern, dots: await count("main circle") });

  at = "review";
  await page.locator("header nav").getByRole("link", { name: "Review" }).click();
  await page.locator("input[list], .controls input").first().fill("anna");
  await page.keyboard.press("Enter");
  const isAt = (row) => page.waitForFunction((wanted) => document.querySelector(".desk h2")?.textContent.startsWith(wanted), row);
  const shown = async () => ({ text: await page.locator("dl.row > div:not(.target) dd").first().innerText(), answer: await page.locator("dl.row > .target dd").innerText() });
  await isAt("Row 1 of");
  const verdicts = [{ ...(await shown()), verdict: "relabel" }];
  verdicts[0].now = ["billing", "login"].find((one) => one !== verdicts[0].answer);
  await picture("review");
  await page.keyboard.press("l");
  await page.keyboard.type(verdicts[0].now);
  await page.locator("#label-list li[aria-selected=true]").waitFor();
  await page.keyboard.press("Enter");
  await isAt("Row 2 of");
  verdicts.push({ ...(await shown()), verdict: "reject" });
  await page.keyboard.press("r");
  await page.locator(".why").waitFor();
  await page.keyboard.press("w");
  await isAt("Row 3 of");
  verdicts.push({ ...(await shown()), verdict: "accept" });
  await page.keyboard.press("a");
  await isAt("Row 4 of");
  await page.keyboard.press("q");
  await page.getByText("What the next run would redo").waitFor();
  await page.locator(".desk table").waitFor();
  await well("ended");
  const redone = await page.locator(".desk table").innerText();
  must(/select[\s\S]*reviews?: /.test(redone), `what the next run would redo: ${redone}`);
  on(at, { verdicts, redone });

  at = "pending";
  // The plan is that of the run whose rows were reviewed, with its most rows and its values.
  await page.getByRole("link", { name: "see the plan" }).click();
  await page.locator(".graph .node.changed").first().waitFor();
  const states = { cached: await count(".graph .node.cached"), changed: await count(".graph .node.changed"), pending: await count(".graph .node.pending") };
  must(states.cached > states.changed + states.pending, `steps: ${JSON.stringify(states)}`);
  await button("Table").click();
  const because = (await page.locator("main tbody tr").allInnerTexts()).filter((row) => /changed/.test(row)).map((row) => row.replace(/\s+/g, " "));
  must(because.some((row) => /reviews?: /.test(row)), `why steps changed: ${because.join("; ")}`);
  await well("pending");
  on(at, { states, because });

  at = "again";
  const second = await begin();
  must(second !== seen.title, `the second run is shown as ${second}`);
  await isDone();
  await page.locator("#scores").waitFor();
  await well("again");
  await page.locator("header nav").getByRole("link", { name: "Runs", exact: true }).click();
  await page.locator("main tbody tr").nth(1).waitFor();
  must((await count("main tbody tr")) === 2, `${await count("main tbody tr")} runs`);
  await well("runs");
  on(at, { title: second });
} catch (error) {
  say(String(error));
  if (out) await browser.contexts()[0]?.pages()[0]?.screenshot({ path: `${out}/whole-broken.png` }).catch(() => undefined);
} finally {
  clearTimeout(end);
  await browser.close();
  await ended(child);
}
console.log(JSON.stringify(wrong));
