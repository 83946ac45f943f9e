/** Words of somebody else as a sentence of ours, with a dot at its end. */
export function asSentence(words: string): string {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
