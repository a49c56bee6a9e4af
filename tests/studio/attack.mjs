// Attacks a studio from a real browser, kills it under an open page, and tells what went wrong as JSON.
//
//   node attack.mjs WEB CHROMIUM PYTHON STATE PICTURES
//
// The studio is started here, and again after it is killed. A page of another site, at another port and under another
// name that leads to this machine, tries to reach it; a page of the studio itself is open meanwhile.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [web, chromium, python, state, pictures] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${web}/package.json`)("playwright-core");
const found = [];
const say = (what) => found.push(what);

function studio(port = 0) {
  const child = spawn(python, ["-m", "engine.cli", "studio", "--no-browser", "--state", state, "--port", String(port)], { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    child.stdout.once("data", (line) => resolve({ child, url: String(line).trim() }));
    child.once("exit", () => reject(new Error("the studio ended")));
  });
}
const ended = (child) => new Promise((resolve) => (child.once("exit", resolve), child.kill("SIGKILL")));

let { child, url } = await studio();
const port = Number(new URL(url).port);
const own = `http://127.0.0.1:${port}`;

// What another site's page tries with a browser that has the studio's cookie. It notes what it could read.
const EVIL = `<!doctype html><title>evil</title><body><script type="module">
  const said = (window.said = []);
  const tried = [];
  for (const host of ["127.0.0.1", "localhost", "evil.example"]) for (const path of ["/api/runs", "/api/about", "/", "/studio.js"]) for (const mode of ["cors", "no-cors"])
    tried.push(fetch("http://" + host + ":${port}" + path, { credentials: "include", mode }).then(async (r) => { const text = await r.text().catch(() => ""); if (r.type !== "opaque" || text) said.push(host + path + " could be read: " + r.status + " " + text.slice(0, 40)); }, () => 0));
  for (const type of ["application/json", "text/plain"])
    tried.push(fetch("${own}/api/sql", { method: "POST", credentials: "include", headers: { "content-type": type }, body: JSON.stringify({ query: "SELECT 1" }), mode: type === "text/plain" ? "no-cors" : "cors" }).then((r) => r.type !== "opaque" && said.push("SQL was answered"), () => 0));
  const load = (name, set) => tried.push(new Promise((done) => { const e = document.createElement(name); e.onload = () => (name !== "iframe" && said.push(name + " was loaded"), done()); e.onerror = done; set(e); document.body.append(e); setTimeout(done, 4000); }));
  load("script", (e) => (e.src = "${own}/studio.js"));
  load("img", (e) => (e.src = "${own}/favicon.svg"));
  load("link", (e) => ((e.rel = "stylesheet"), (e.href = "${own}/studio.css")));
  load("iframe", (e) => ((e.src = "${own}/"), (e.id = "framed")));
  load("iframe", (e) => { e.setAttribute("sandbox", "allow-scripts"); e.srcdoc = "<script>fetch('${own}/api/runs',{credentials:'include'}).then(r=>r.text()).then(t=>parent.postMessage('null origin read '+t.slice(0,40),'*'),()=>parent.postMessage('refused','*'))<\\/script>"; });
  addEventListener("message", (event) => event.data === "refused" || said.push(String(event.data)));
  const form = document.createElement("form");
  form.method = "post"; form.enctype = "text/plain"; form.action = "${own}/api/sql"; form.target = "posted";
  const input = document.createElement("input"); input.name = '{"query":"SELECT 1","x":"'; input.value = '"}'; form.append(input);
  const frame = document.createElement("iframe"); frame.name = "posted"; document.body.append(frame, form); form.submit();
  await Promise.all(tried);
  await new Promise((done) => setTimeout(done, 500));
  window.done = true;
</script>`;
const evil = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(EVIL));
await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));

const browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP *.example 127.0.0.1"] });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(url, { waitUntil: "networkidle" });
  await page.locator("main h1").waitFor();

  // Another site, of another port and of names that lead here; a form that is posted is answered too.
  for (const host of ["127.0.0.1", "site.example", "localhost"]) {
    const other = await context.newPage();
    const reached = [];
    other.on("response", async (response) => {
      const at = new URL(response.url());
      if (Number(at.port) === port && at.pathname.startsWith("/api/") && response.status() < 400) reached.push(`${response.request().method()} ${response.url()} ${response.status()}`);
    });
    await other.goto(`http://${host}:${evil.address().port}/`);
    await other.waitForFunction(() => window.done, undefined, { timeout: 60_000 });
    for (const what of await other.evaluate(() => window.said)) say(`a page of ${host}: ${what}`);
    for (const what of reached) say(`a page of ${host} reached ${what}`);
    const framed = other.frames().find((frame) => frame.url().startsWith(own));
    if (framed && (await framed.locator("main").count())) say(`a page of ${host} frames the studio`);
    await other.close();
  }
  // DNS rebinding: the name of another site leads to this very server.
  const rebound = await context.newPage();
  const answer = await rebound.goto(`http://evil.example:${port}/`);
  if (answer.status() !== 403) say(`under another name the page is answered with ${answer.status()}`);
  await rebound.close();
  if ((await page.evaluate(() => fetch("/api/runs").then((r) => r.status))) !== 200) say("the studio's own page is not answered any more");

  // It is killed under an open page, which says so; started anew it has another key, and the page goes on once it is opened.
  const alert = page.locator(".gone");
  await page.goto(`${own}/#/run/r0001/failures`, { waitUntil: "networkidle" });
  await ended(child);
  await alert.filter({ hasText: "does not answer" }).waitFor();
  if (pictures) await page.screenshot({ path: `${pictures}/gone.png` });
  ({ child, url } = await studio(port));
  await alert.filter({ hasText: "started anew" }).waitFor();
  const again = await context.newPage();
  await again.goto(url, { waitUntil: "networkidle" });
  await alert.waitFor({ state: "detached" });
  await page.locator("tbody td").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[role=alert]"));
} catch (error) {
  say(String(error));
} finally {
  await browser.close();
  await ended(child);
  evil.close();
}
console.log(JSON.stringify(found));
