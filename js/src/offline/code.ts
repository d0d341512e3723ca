// The Python code of a picture, kept true while the page shows it in other ways.

const DEFAULTS: Readonly<Record<string, unknown>> = {
  resolution: 49,
  view: "surface",
  height: "log",
  colours: "viridis",
};

/** The code with these keywords: a line where a value differs from its default, and none where it does not. */
export function withKeywords(code: string, values: Readonly<Record<string, string | number>>): string {
  const names = Object.keys(values);
  const lines = code.split("\n").filter((line) => !names.some((name) => line.startsWith(`    ${name}=`)));
  const end = lines.lastIndexOf(")");
  if (end < 0) return code;
  const fresh = Object.entries(values)
    .filter(([name, value]) => value !== DEFAULTS[name])
    .map(([name, value]) => `    ${name}=${typeof value === "number" ? value : `'${value}'`},`);
  return [...lines.slice(0, end), ...fresh, ...lines.slice(end)].join("\n");
}
