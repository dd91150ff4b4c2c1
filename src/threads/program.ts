/** Options of Node for a program that is a text, which no worker takes. It takes the others, such as what loads modules. */
const OF_A_TEXT = /^(-e|-p|-pe|--eval|--print|--input-type)(=|$)/;

/** Options of a worker thread that loads modules as the program that starts it does. */
export function programOptions(): { readonly execArgv?: string[] } {
  return process.execArgv.some((option) => OF_A_TEXT.test(option)) ? { execArgv: [] } : {};
}
