// From a file to a recipe in Chromium, as somebody does it, and tells what went wrong as JSON.
//
//   node start.mjs WEB CHROMIUM URL FILES
//
// WEB is the folder with node_modules, URL what `pada studio` printed, FILES a JSON list of files, the first of which is
// dropped, the others chosen; each becomes a recipe.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";

const [web, chromium, url, files] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
try {
  for (const width of [1280, 390]) {
    const page = await (await browser.newContext({ viewport: { width, height: 860 } })).newPage();
    page.setDefaultTimeout(120_000);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && found.push(message.text()));
    page.on("pageerror", (error) => found.push(String(error)));
    await page.goto(url, { waitUntil: "networkidle" });
    for (const [at, file] of JSON.parse(files).entries()) {
      try {
        await make(page, file, at === 0);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) found.push(`${file} ${width}: ${wide} pixels wider than the window`);
      } catch (error) {
        found.push(`${file} ${width}: ${error}`);
      }
    }
    await page.context().close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));

async function make(page, file, drops) {
  await page.goto(`${new URL(url).origin}/#/new`, { waitUntil: "networkidle" });
  await page.getByRole("button", { name: "Choose a file…" }).waitFor();
  if (drops) await drop(page, file);
  else await page.setInputFiles("input[type=file]", file);
  await page.getByRole("heading", { name: "4. What it is called, and where it lies" }).waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) found.push(`${file}: the questions are ${wide} pixels wider than the window`);
  const other = page.getByRole("checkbox").first();
  if (drops && (await other.count())) {
    await other.focus();
    await page.keyboard.press("Space");
    await page.locator("input[type=checkbox]:checked").nth(1).waitFor();
  }
  await page.getByRole("button", { name: "Show the recipe" }).click();
  await page.getByRole("region", { name: "Text of the recipe" }).waitFor();
  await page.getByRole("button", { name: "Create the recipe" }).click();
  await page.waitForURL((now) => now.hash.startsWith("#/recipe/"));
  await page.locator("main h1").waitFor();
}

async function drop(page, file) {
  const given = { name: basename(file), bytes: readFileSync(file).toString("base64") };
  const data = await page.evaluateHandle(({ name, bytes }) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name));
    return transfer;
  }, given);
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: data });
}
