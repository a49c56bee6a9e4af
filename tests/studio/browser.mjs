// Opens pages of a studio in Chromium, at two widths and in two themes, and tells what went wrong as JSON: errors,
// breaches of the policy, requests to elsewhere, what is wider than the window, and what axe finds for people who
// do not see or point.
//
//   node browser.mjs WEB CHROMIUM URL OUT PAGES
//
// WEB is the folder with node_modules, URL what `pada studio` printed, OUT a folder for pictures (empty: none), PAGES a
// JSON list of {name, path, file?, click?, around?, wait?, alert?}: what stands behind `#/`, which file is chosen, what is
// clicked, what is drawn around with the pointer, what is waited for then, and whether something is wrong on purpose.
import { createRequire } from "node:module";

const [web, chromium, url, out, pages] = process.argv.slice(2);
const require = createRequire(`${web}/package.json`);
const { chromium: browsers } = require("playwright-core");
const AXE = require.resolve("axe-core/axe.min.js");
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
try {
  for (const [width, height] of [[1280, 860], [390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
      await context.addInitScript({ path: AXE });
      await context.addInitScript(() => {
        window.breaches = [];
        addEventListener("securitypolicyviolation", (event) => window.breaches.push(`${event.violatedDirective}: ${event.blockedURI}`));
      });
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      let at = "";
      const say = (what) => found.push(`${at} ${width} ${colorScheme}: ${what}`);
      page.on("console", (message) => ["error", "warning"].includes(message.type()) && say(message.text()));
      page.on("dialog", (dialog) => (say(`a dialog: ${dialog.message()}`), dialog.dismiss()));
      page.on("pageerror", (error) => say(String(error)));
      page.on("response", (response) => response.status() >= 400 && say(`${response.status()} ${response.url()}`));
      page.on("request", (request) => {
        const host = new URL(request.url()).host;
        if (host && host !== new URL(url).host && !request.url().startsWith("blob:")) say(`asks ${host}`);
      });
      await page.goto(url, { waitUntil: "networkidle" });
      await page.waitForURL((now) => !now.search, { timeout: 30_000 }).catch(() => say("the token stays in the address"));
      for (const one of JSON.parse(pages)) {
        at = one.name;
        try {
          await look(page, one, say, colorScheme, `${one.name}-${width}-${colorScheme}`);
        } catch (error) {
          say(String(error));
        }
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));

async function look(page, one, say, colorScheme, picture) {
  await page.goto(`${new URL(url).origin}/#/${one.path}`, { waitUntil: "networkidle" });
  await page.reload({ waitUntil: "networkidle" });
  await page.locator("main h1").first().waitFor();
  await page.locator(".wait").first().waitFor({ state: "detached" });
  if (one.file) await page.setInputFiles("input[type=file]", one.file);
  for (const selector of one.click ?? []) await page.locator(selector).first().click();
  if (one.around) await drawAround(page, page.locator(one.around).first());
  if (one.wait) await page.locator(one.wait).first().waitFor();
  await page.waitForLoadState("networkidle");
  const seen = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth,
    titles: document.querySelectorAll("h1").length,
    marks: ["header", "nav", "main"].filter((name) => !document.querySelector(name)),
    nameless: [...document.querySelectorAll("button, a[href], input, select")].filter(
      (e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length || e.title),
    ).length,
    theme: document.documentElement.dataset.theme,
    wrong: [...document.querySelectorAll("[role=alert]")].map((e) => e.textContent.trim()),
    breaches: window.breaches,
  }));
  if (seen.wide > 0) say(`${seen.wide} pixels wider than the window`);
  if (seen.titles !== 1) say(`${seen.titles} main headings`);
  if (seen.marks.length) say(`no ${seen.marks}`);
  if (seen.nameless) say(`${seen.nameless} controls without a name`);
  if (seen.theme !== colorScheme) say(`the theme is ${seen.theme}`);
  for (const text of [...(one.alert ? [] : seen.wrong), ...seen.breaches, ...(await barriers(page))]) say(text);
  if (out) await page.screenshot({ path: `${out}/${picture}.png`, fullPage: one.full ?? false });
}

/** What stands in somebody's way: WCAG 2.1 AA, and what axe calls good practice (headings in order, landmarks). */
async function barriers(page) {
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.slice(0, 3).map((node) => `${id} (${help}): ${node.target.join(" ")} ${node.any[0]?.message ?? node.html.slice(0, 160)}`),
  );
}

async function drawAround(page, target) {
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox();
  const corners = [[0.01, 0.01], [0.99, 0.01], [0.99, 0.99], [0.01, 0.99], [0.01, 0.02]];
  const [first, ...rest] = corners.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
  await page.mouse.move(...first);
  await page.mouse.down();
  for (const corner of rest) await page.mouse.move(...corner, { steps: 4 });
  await page.mouse.up();
}
