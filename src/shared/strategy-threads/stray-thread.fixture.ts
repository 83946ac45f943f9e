import { serve } from "./serve.ts";

// Taken before it is refused, as nothing that a strategy may use.
const later = setTimeout;

/** A thread in which what is asked may leave a timer behind that throws. */
serve<string>((request) => {
  if (request === "throw late") {
    later(() => {
      throw new Error("stray");
    }, 20);
  }
  return "asked";
});
