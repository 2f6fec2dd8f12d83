/**
 * Words, numbers and times in the language of the browser: Korean or English.
 */

const LANGUAGES = ["en", "ko"];

/** @returns {string} the browser's first language that the page supports, else English */
export function chosenLanguage(preferred = navigator.languages) {
  const known = preferred.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => LANGUAGES.includes(tag));
  return known ?? "en";
}

/** The page's words in one language, and its numbers and times. */
export class Language {
  /**
   * @param {string} tag `en` or `ko`
   * @param {Record<string, string>} words
   */
  constructor(tag, words) {
    this.tag = tag;
    this.words = words;
    // The region of the browser, such as en-GB, decides how dates look.
    const locale = navigator.languages.find((name) => name.toLowerCase().startsWith(tag)) ?? tag;
    // `format` is bound to its object, so it can be called as a method of this class.
    this.number = new Intl.NumberFormat(locale).format;
    this.shortNumber = new Intl.NumberFormat(locale, { notation: "compact" }).format;
    /** Formats a share, of which 1 is all. */
    this.percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format;
    this.time = new Intl.DateTimeFormat(locale, {
      month: "short",
      day: "numeric",
      hour: "2-digit",
      minute: "2-digit",
    }).format;
    this.exactTime = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" }).format;
    this.day = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" }).format;
  }

  /** Load the words of the browser's language. */
  static async load() {
    const tag = chosenLanguage();
    const answer = await fetch(new URL(`words/${tag}.json`, import.meta.url));
    return new Language(tag, await answer.json());
  }

  /**
   * @param {string} name of the text
   * @param {Record<string, string | number>} [values] for the names in braces
   */
  say(name, values = {}) {
    return this.words[name].replace(/\{(\w+)\}/g, (_, place) => {
      const value = values[place];
      return typeof value === "number" ? this.number(value) : value;
    });
  }

  /** @param {number} seconds */
  duration(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    if (hours) {
      return this.say("hours", { hours, minutes });
    }
    return minutes ? this.say("minutes", { minutes, seconds: whole % 60 }) : this.say("seconds", { seconds: whole });
  }
}
