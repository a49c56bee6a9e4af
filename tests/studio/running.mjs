// Starts a run from its plan in Chromium, watches the graph light up, stops it, goes on, and sees it end.
//
//   node running.mjs WEB CHROMIUM URL OUT RECIPE
//
// WEB is the folder with node_modules, URL what `pada studio` printed, OUT a folder for pictures (empty: none). Prints what
// went wrong, and what was seen, as JSON.
import { createRequire } from "node:module";

const [web, chromium, url, out, recipe] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const wrong = [];
const seen = {};
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(90_000);
  let at = "plan";
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(`${at}: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`${at}: ${error}`));
  const looks = async (name) => {
    for (const [width, height] of [[1280, 860], [390, 844]]) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) wrong.push(`${name}: ${over} pixels wider than ${width}`);
        if (out) await page.screenshot({ path: `${out}/running-${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
    }
    await page.setViewportSize({ width: 1280, height: 860 });
    await page.emulateMedia({ colorScheme: "light" });
  };

  await page.goto(url, { waitUntil: "networkidle" });
  await page.goto(`${new URL(url).origin}/#/recipe/${encodeURIComponent(recipe)}/plan`);
  await page.locator(".graph .node.pending").first().waitFor();
  seen.planned = await page.locator(".graph .node").count();
  // By the keyboard: from the first step to its neighbour, whose facts are shown.
  await page.locator('.graph .node[tabindex="0"]').focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  seen.chosen = await page.locator("#step-title").textContent();
  await looks("plan");
  await page.locator("button:text-is('Run it…')").click();
  seen.confirm = await page.locator("dialog[open]").textContent();
  await page.locator("dialog[open] button:text-is('Run it')").click();

  at = "run";
  await page.waitForURL(/#\/run\//);
  await page.locator(".graph .node.running").first().waitFor();
  seen.now = await page.locator("header .now").textContent();
  await page.waitForFunction(() => document.querySelectorAll(".graph .node.done").length > 3);
  await looks("live");
  await page.locator("button:text-is('Stop')").click();

  at = "stopped";
  await page.locator("button:text-is('Go on')").waitFor();
  seen.stopped = await page.locator("#live-title").textContent();
  seen.done = await page.locator(".graph .node.done").count();
  await looks("stopped");
  await page.locator("button:text-is('Go on')").click();

  at = "again";
  await page.locator("header .now").waitFor();
  await page.locator(".graph .node.cached, .graph .node.done").first().waitFor();
  await page.locator("header .now").waitFor({ state: "detached" });
  await page.locator(".badge:text-is('done')").waitFor();
  await page.goto(`${new URL(url).origin}/#/runs`);
  await page.locator("h1:text-is('Runs')").waitFor();
  await page.locator("main tbody tr").first().waitFor();
  seen.runs = await page.locator("main tbody tr").count();
} catch (error) {
  wrong.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify({ wrong, seen }));
