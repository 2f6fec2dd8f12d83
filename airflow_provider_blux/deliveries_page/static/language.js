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
    this.numbers = new Intl.NumberFormat(locale);
    this.shortNumbers = new Intl.NumberFormat(locale, { notation: "compact" });
    this.percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
    this.times = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
    this.exactTimes = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
    this.days = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
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

  /** @param {number} value */
  number(value) {
    return this.numbers.format(value);
  }

  /** @param {number} value */
  shortNumber(value) {
    return this.shortNumbers.format(value);
  }

  /** @param {number} share 1 is all */
  percent(share) {
    return this.percents.format(share);
  }

  /** @param {Date} moment */
  time(moment) {
    return this.times.format(moment);
  }

  /** @param {Date} moment */
  exactTime(moment) {
    return this.exactTimes.format(moment);
  }

  /** @param {Date} moment */
  day(moment) {
    return this.days.format(moment);
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
