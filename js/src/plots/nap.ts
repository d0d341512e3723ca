// A surface asleep: its picture, and a button that wakes it.

const WORDS = "Show this surface again";

/** Puts the picture of a sleeping surface into its host; null where no picture could be taken. */
export function nap(host: HTMLElement, picture: string | null, onWake: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lw-asleep";
  button.setAttribute("data-lm-suppress-shortcuts", "true");
  Object.assign(button.style, {
    ...{ position: "absolute", inset: "0", display: "block", width: "100%", height: "100%" },
    ...{
      padding: "0",
      border: "0",
      background: "none",
      color: "inherit",
      font: "inherit",
      cursor: "pointer",
    },
  });
  if (picture !== null) button.append(image(picture));
  button.append(label());
  button.addEventListener("click", onWake);
  host.append(button);
  return button;
}

function image(source: string): HTMLImageElement {
  const picture = document.createElement("img");
  picture.src = source;
  picture.alt = "";
  picture.draggable = false;
  Object.assign(picture.style, { width: "100%", height: "100%", objectFit: "contain", opacity: "0.55" });
  return picture;
}

function label(): HTMLSpanElement {
  const words = document.createElement("span");
  words.textContent = WORDS;
  Object.assign(words.style, {
    ...{ position: "absolute", top: "50%", left: "50%", transform: "translate(-50%, -50%)" },
    ...{ padding: "6px 14px", borderRadius: "6px", border: "1px solid var(--lw-border, #d0d7de)" },
    ...{ background: "var(--lw-panel, #ffffff)", color: "var(--lw-text, #1f2328)", whiteSpace: "nowrap" },
  });
  return words;
}
