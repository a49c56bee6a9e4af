// Reviews rows of a studio in Chromium by keyboard alone, and tells what was seen as JSON.
//
//   node reviewing.mjs WEB CHROMIUM URL OUT
//
// As browser.mjs; the store is that of tests/studio/reviewed.py.
import { createRequire } from "node:module";

const [web, chromium, url, out] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const wrong = [];
const seen = {};
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && !message.text().includes("net::ERR_FAILED") && wrong.push(message.text()));
  page.on("dialog", (dialog) => dialog.accept());
  await page.goto(url, { waitUntil: "networkidle" });
  await page.goto(`${new URL(url).origin}/#/review`, { waitUntil: "networkidle" });

  const title = () => page.locator(".desk h2").first().innerText();
  const isAt = (row) => page.waitForFunction((wanted) => document.querySelector(".desk h2")?.textContent.startsWith(wanted), row);
  const focused = () => page.evaluate(() => document.activeElement?.id ?? "");
  const picture = async (name) => out && (await page.screenshot({ path: `${out}/${name}.png`, fullPage: true }));

  // Who one is, asked once.
  await page.locator("input[list]").waitFor();
  await picture("name");
  await page.locator("input[list]").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("anna");
  await page.keyboard.press("Enter");
  await isAt("Row 1 of");
  await picture("row");
  await page.keyboard.press("a");
  await isAt("Row 2 of");
  seen.focus = await focused();
  await page.keyboard.press("r");
  await page.locator(".why").waitFor();
  await picture("reject");
  await page.keyboard.press("w");
  await isAt("Row 3 of");
  await page.keyboard.press("e");
  await page.locator(".edit .cm-content").first().waitFor();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("truly ");
  await picture("edit");
  await page.keyboard.press("Control+Enter");
  await isAt("Row 4 of");
  await page.keyboard.press("l");
  await page.locator("#label-typed").waitFor();
  seen.labels = await page.locator("#label-list li").count();
  await page.keyboard.type("label_15");
  await page.keyboard.press("ArrowDown");
  await picture("relabel");
  await page.keyboard.press("Enter");
  await isAt("Row 5 of");
  await page.keyboard.press("s");
  await isAt("Row 6 of");
  await page.keyboard.press("u");
  await isAt("Row 4 of");
  await page.keyboard.press("l");
  await page.locator("#label-typed").waitFor();
  await page.keyboard.type("label_160");
  await page.keyboard.press("Enter");
  await isAt("Row 5 of");

  // A server that does not answer: what was said is kept, also where the page is loaded again.
  await page.route("**/api/review/verdict", (route) => route.abort());
  await page.keyboard.press("a");
  await page.locator("text=Not stored yet").waitFor();
  await picture("unsent");
  seen.held = await title();
  await page.reload({ waitUntil: "networkidle" });
  await page.locator("text=Not stored yet").waitFor();
  await page.unroute("**/api/review/verdict");
  await page.locator("text=Stored now").waitFor();
  await isAt("Row 1 of");

  // Labels that are long in coming, under a mouse that rests where their list appears.
  await page.route("**/api/review/labels*", async (route) => {
    await new Promise((done) => setTimeout(done, 2500));
    await route.continue();
  });
  await page.reload({ waitUntil: "domcontentloaded" });
  await isAt("Row 1 of");
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const before = await theme();
  await page.keyboard.press("l");
  await page.keyboard.type("st");
  await page.keyboard.press("Enter");
  const field = await page.locator("#label-typed").boundingBox();
  const rests = [field.x + 80, field.y + field.height + 60];
  await page.mouse.move(...rests);
  await picture("slow");
  seen.slow = { theme: (await theme()) === before, typed: await page.locator("#label-typed").inputValue(), early: await page.locator("#label-list li").count() };
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.locator("#label-list li").first().waitFor();
  await page.waitForTimeout(200);
  seen.slow.under = await page.evaluate(([x, y]) => document.elementFromPoint(x, y)?.closest("#label-list") !== null, rests);
  seen.slow.marked = await page.locator("#label-list li[aria-selected=true], #label-list li.under").count();
  await page.keyboard.press("Enter");
  await page.waitForTimeout(200);
  seen.slow.held = await title();
  await page.keyboard.type("label_159");
  await page.keyboard.press("Enter");
  await isAt("Row 2 of");
  seen.slow.told = await page.locator(".told").innerText();
  await page.unroute("**/api/review/labels*");

  // Without single keys, only buttons say something.
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await picture("keys");
  await page.locator("dialog[open] input[type=checkbox]").focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Escape");
  await page.keyboard.press("a");
  await page.waitForTimeout(300);
  seen.withoutKeys = await title();
  await page.keyboard.press("?");
  await page.locator("dialog[open] input[type=checkbox]").focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Escape");

  // A row whose characters nobody sees, found in the list.
  await page.goto(`${new URL(url).origin}/#/review?view=list&search=lairt`, { waitUntil: "networkidle" });
  await page.locator("tbody a").first().waitFor();
  await picture("list");
  await page.locator("tbody a").first().focus();
  await page.keyboard.press("Enter");
  await isAt("Row 1 of 1");
  await page.keyboard.press("e");
  await page.locator(".edit .cm-content").first().waitFor();
  seen.marks = await page.locator(".edit .cm-specialChar").allInnerTexts();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("!");
  await page.keyboard.press("Control+Home");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.type("dark ");
  await picture("unseen");
  await page.keyboard.press("Control+Enter");
  await page.locator("text=What the next run would redo").waitFor();
  await page.locator(".desk table").waitFor();
  await picture("ended");
  seen.ended = await page.locator(".desk section").innerText();
  await context.close();
} catch (error) {
  wrong.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify({ wrong, seen }));
