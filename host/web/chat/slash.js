// Completion of slash commands.

/** The words of a text with their positions; a quoted text is one word. */
function wordsOf(text) {
  const words = [];
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"?|\S+/g)) words.push({ text: match[0], start: match.index, end: match.index + match[0].length });
  return words;
}

export const isCommand = (text) => /^\/(?!\/)/.test(text);

/** The label of a param. */
export function paramText({ name, kind, choices, required }) {
  const what = kind === "choice" ? choices.join(" | ") : kind === "text" || kind === name ? name : `${name}: ${KINDS[kind] ?? kind}`;
  return required ? `<${what}>` : `[${what}]`;
}

const KINDS = { integer: "number", boolean: "yes | no", duration: "10m, 2h, 1d", account: "somebody", room: "a room" };

/**
 * What may be typed at the end of this text: `{options: [{insert, label, hint}], command, param}`. An option's `insert` is
 * the whole text with it.
 */
export function completionsOf(text, { commands, role, members, rooms }) {
  const none = { options: [], command: null, param: -1 };
  if (!isCommand(text) || text.includes("\n")) return none;
  const allowed = commands.filter(({ minimum_role: least }) => !least || ROLES.indexOf(role) >= ROLES.indexOf(least));
  const word = /^\/(\S*)$/.exec(text)?.[1];
  if (word !== undefined) {
    const options = allowed.filter(({ slash }) => slash.startsWith(word.toLowerCase()))
      .map((command) => ({ insert: `/${command.slash}${command.params.length ? " " : ""}`, label: `/${command.slash}`, params: command.params, hint: command.summary }));
    // Does not offer what is typed already.
    const only = options.length === 1 && options[0].label === text && !options[0].insert.endsWith(" ");
    return { ...none, options: only ? [] : options, command: allowed.find(({ slash }) => slash === word) ?? null };
  }
  const words = wordsOf(text);
  const command = allowed.find(({ slash }) => `/${slash}` === words[0].text.toLowerCase());
  if (!command) return none;
  const open = !/\s$/.test(text);
  const last = open ? words.at(-1) : { text: "", start: text.length };
  // The last text param takes the rest of the line.
  const param = Math.min(words.length - (open ? 2 : 1), command.params.length - 1);
  const values = valuesOf(command.params[param], { members, rooms });
  const begun = last.text.replace(/^"/, "").toLowerCase();
  const options = values.filter((value) => value.toLowerCase().startsWith(begun) && value.toLowerCase() !== begun)
    .map((value) => ({ insert: `${text.slice(0, last.start)}${quoted(value)} `, label: value, hint: command.params[param].summary }));
  return { options: options.slice(0, 8), command, param };
}

const ROLES = [null, "member", "moderator", "owner"];

function valuesOf(param, { members, rooms }) {
  switch (param?.kind) {
    case "account":
      return members;
    case "room":
      return rooms;
    case "choice":
      return param.choices;
    case "boolean":
      return ["yes", "no"];
    default:
      return [];
  }
}

const quoted = (value) => (/[\s"]/.test(value) ? `"${value.replace(/(["\\])/g, "\\$1")}"` : value);
