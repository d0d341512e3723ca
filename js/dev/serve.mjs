// Serves the harness and the built bundle on this machine only: node dev/serve.mjs [port]
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const port = Number(process.argv[2] ?? 8765);
const files = {
  "/": ["harness.html", "text/html"],
  "/kernel.js": ["kernel.js", "text/javascript"],
  "/valley.js": ["valley.js", "text/javascript"],
  "/landscape.js": ["../../landscape_widgets/static/landscape.js", "text/javascript"],
};

createServer(async ({ url = "/" }, response) => {
  const found = files[new URL(url, "http://localhost").pathname];
  if (!found) return response.writeHead(404).end();
  const [name, type] = found;
  const body = await readFile(fileURLToPath(new URL(name, import.meta.url)));
  return response
    .writeHead(200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" })
    .end(body);
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/?theme=dark&stop=refining`));
