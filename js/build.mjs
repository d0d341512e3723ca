// Builds the one bundle of a page into landscape_widgets/static/landscape.js and prints its size; or, with arguments,
// another page: node build.mjs entry outfile [--stock: with plotly.js as it is].
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { plotlyChanges } from "./src/plots/plotly-changes.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const bundle = fileURLToPath(new URL("../landscape_widgets/static/landscape.js", import.meta.url));
const [entry = "src/index.ts", outfile = bundle, stock] = process.argv.slice(2);

/** Our own CSS travels as text; plotly.js drags in the style sheet of its maps, which we do not draw. */
const styles = {
  name: "styles",
  setup(builder) {
    builder.onLoad({ filter: /\.css$/ }, async ({ path }) => ({
      contents: path.includes("node_modules") ? "" : await readFile(path, "utf8"),
      loader: "text",
    }));
  },
};

await build({
  absWorkingDir: here,
  entryPoints: [entry],
  outfile,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  define: { global: "globalThis", "define.amd": "false" },
  legalComments: "none",
  plugins: stock === undefined ? [styles, plotlyChanges] : [styles],
  banner: { js: "/* landscape_widgets (MIT), with plotly.js (MIT, Copyright Plotly, Inc.) */" },
});

const bytes = await readFile(outfile);
const kilobytes = (count) => `${(count / 1024).toFixed(0)} kB`;
console.log(
  `${relative(process.cwd(), outfile)}  ${kilobytes(bytes.length)}, gzip ${kilobytes(gzipSync(bytes).length)}`,
);
