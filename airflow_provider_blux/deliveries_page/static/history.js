/**
 * Users by day: sent, unchanged and rejected, added up from the reports of the last thirty days, without dry runs.
 *
 * Each report is a request, so they are read in steps of a fixed size, the newest first.
 */
import { forEach } from "./api.js";
import { DAYS, firstDay, isDryRun } from "./deliveries.js";

const PAGE = 100; // the maximum of Airflow's API
const STEP = 200;
const OPERATION = "upsert_users";
const STATES = ["success", "failed"];

/**
 * @typedef {object} Day
 * @property {Date} date midnight, local time
 * @property {number} sent
 * @property {number} unchanged
 * @property {number} rejected
 */

/** Adds up the reports of deliveries of users, in steps of `STEP` deliveries. */
export class History {
  /** @param {import("./deliveries.js").Deliveries} deliveries */
  constructor(deliveries) {
    this.deliveries = deliveries;
    const first = firstDay();
    /** @type {Day[]} */
    this.days = Array.from({ length: DAYS }, (_, index) => {
      const date = new Date(first);
      date.setDate(first.getDate() + index);
      return { date, sent: 0, unchanged: 0, rejected: 0 };
    });
    /** @type {Set<string>} ids of the tries that were counted */
    this.counted = new Set();
    this.readAt = new Date();
    this.passed = 0;
    this.total = 0;
    this.missing = 0;
    /** @type {Date | null} start of the oldest delivery that was read */
    this.oldest = null;
  }

  /** @returns {boolean} whether older deliveries are left to read */
  get hasMore() {
    return this.passed < this.total;
  }

  /** @returns {boolean} whether any user was counted */
  get hasUsers() {
    return this.days.some(({ sent, unchanged, rejected }) => sent + unchanged + rejected > 0);
  }

  /**
   * Read the next `STEP` deliveries, or all that are left, and add them up.
   *
   * @param {() => void} show is called after each page
   */
  async read(show) {
    const end = this.passed + STEP;
    do {
      const wanted = { states: STATES, operation: OPERATION, limit: PAGE, offset: this.passed };
      const page = await this.deliveries.page(wanted);
      await forEach(page.deliveries, (delivery) => this.add(delivery));
      // An empty page is the last one: some deliveries were deleted meanwhile.
      this.total = page.passed === this.passed ? this.passed : page.total;
      this.passed = page.passed;
      show();
    } while (this.passed < end && this.hasMore);
  }

  /**
   * Add the deliveries that have ended since this history was created.
   *
   * @param {import("./deliveries.js").Delivery[]} deliveries the newest deliveries, of any operation and state
   */
  async addNew(deliveries) {
    const since = this.readAt.getTime();
    const ended = deliveries.filter(({ ended, operation, state }) =>
      operation === OPERATION && STATES.includes(state) && ended && ended.getTime() > since);
    await forEach(ended, (delivery) => this.add(delivery));
  }

  /** @param {import("./deliveries.js").Delivery} delivery */
  async add(delivery) {
    const reading = await this.deliveries.reading(delivery);
    // New deliveries shift the pages, so that a delivery may be on two of them.
    if (this.counted.has(delivery.id)) {
      return;
    }
    this.counted.add(delivery.id);
    if (!this.oldest || delivery.started < this.oldest) {
      this.oldest = delivery.started;
    }
    const day = this.days.find(({ date }) => date.toDateString() === (delivery.ended ?? delivery.started).toDateString());
    if (!("report" in reading) || !day) {
      this.missing += 1;
      return;
    }
    const { report } = reading;
    if (isDryRun(report)) {
      return;
    }
    day.sent += report.delivered; // of all tries, because the API lists only the last try
    day.unchanged += report.unchanged ?? 0;
    day.rejected += report.rejected;
  }
}
