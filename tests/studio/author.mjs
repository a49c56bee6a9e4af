// A recipe edited in Chromium: types a mistake, looks for it at the line and the field, mends it with a click, sets a key
// in the form, undoes and saves. Arguments as of browser.mjs; tells what went wrong as JSON. Where PAGES says `plainly`, a
// name is changed in the form and a comment typed at the end, and that is saved.
import { createRequire } from "node:module";

const [web, chromium, url, out, pages] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
const [{ recipe, plainly }] = JSON.parse(pages);
const say = (what) => found.push(what);
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && say(message.text()));
  page.on("pageerror", (error) => say(String(error)));
  await page.goto(url, { waitUntil: "networkidle" });
  await page.goto(`${new URL(url).origin}/#/recipe/${recipe}`);
  if (plainly) await plain(page);
  else await mended(page);
  if (out) await page.screenshot({ path: `${out}/author${plainly ? "-plainly" : ""}.png` });
} catch (error) {
  say(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));

async function plain(page) {
  await page.locator(".problems summary", { hasText: "The rows were not read." }).waitFor();
  await page.locator("[data-field=name] input").fill("even");
  await page.keyboard.press("Enter");
  await page.locator(".cm-line", { hasText: "name: even" }).waitFor();
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("# x");
  await page.keyboard.press("Control+s");
  await page.getByText("Saved.", { exact: true }).waitFor();
}

async function mended(page) {
  const summary = page.locator(".problems summary");
  const content = page.locator(".cm-content");
  await summary.getByText("No problems.").waitFor();

  // A mistake, as it is typed.
  await content.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("limit: ");
  await page.keyboard.press("Escape");
  await page.keyboard.type("{}");
  await summary.getByText("1 error").waitFor();
  await page.locator(".cm-lintRange-error", { hasText: "limit" }).waitFor();
  await page.locator(".cm-lint-marker-error").waitFor();
  await page.locator("[data-field=limit] .field-problem").waitFor();
  if (!(await page.getByText("not saved").first().isVisible())) say("it is not said that nothing was saved");

  // Mended with one click, and undone and done again with one history.
  await page.locator("[data-field=limit] button:has-text('Fix: rename it to limits')").click();
  await summary.getByText("No problems.").waitFor();
  await page.locator("button[aria-label=Undo]").click();
  await summary.getByText("1 error").waitFor();
  await page.locator("button[aria-label=Redo]").click();
  await summary.getByText("No problems.").waitFor();

  // Text that is no YAML: the form says so and changes nothing.
  await content.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("\n'");
  await page.keyboard.press("Delete");
  await page.locator(".form .wrong").waitFor();
  if (await page.locator("[data-field=name] input").first().isEditable()) say("the form can be changed while the text is no YAML");
  while (await page.locator(".form .wrong").count()) {
    await page.locator("button[aria-label=Undo]").click();
    await page.waitForTimeout(600);
  }

  // A key is set in the form, and stands in the text where the documentation has it.
  await page.locator("details.section:has(h2:text-is('Budget')) > summary").click();
  await page.locator("details.section:has(h2:text-is('Budget')) .field-more > summary").click();
  await page.locator("[data-field='budget.calls'] input").fill("500");
  await page.keyboard.press("Enter");
  await page.locator(".cm-line", { hasText: "budget: {calls: 500}" }).waitFor();

  await page.keyboard.press("Control+s");
  await page.getByText("Saved.", { exact: true }).waitFor();
}
