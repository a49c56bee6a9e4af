// Takes the pictures of docs/studio.md: 1280 pixels wide, light, each as high as its page says.
//
//   node pictures.mjs WEB CHROMIUM URL OUT PAGES
import { createRequire } from "node:module";

const [web, chromium, url, out, pages] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const wrong = [];
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(url, { waitUntil: "networkidle" });
  // Where the store is on the machine that takes the pictures is nobody's business.
  await page.route("**/api/about", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), state: ".pada" } });
  });
  for (const one of JSON.parse(pages)) {
    await page.setViewportSize({ width: 1280, height: one.height });
    await page.goto(`${new URL(url).origin}/#/${one.path}`, { waitUntil: "networkidle" });
    await page.reload({ waitUntil: "networkidle" });
    await page.locator(".wait").first().waitFor({ state: "detached" });
    for (const selector of one.click ?? []) await page.locator(selector).first().click();
    if (one.wait) await page.locator(one.wait).first().waitFor();
    await page.waitForLoadState("networkidle");
    await page.evaluate(() => (document.activeElement?.blur(), window.scrollTo(0, 0)));
    await page.mouse.move(1270, 5);
    await page.screenshot({ path: `${out}/studio-${one.name}.png` });
  }
} catch (error) {
  wrong.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify(wrong));
