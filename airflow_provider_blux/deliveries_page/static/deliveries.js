/**
 * The deliveries that the person may see: task instances of the Blux operators, and their reports.
 */
import { ApiError, get } from "./api.js";

/**
 * @typedef {object} Delivery a task instance of a Blux operator
 * @property {string} id of the try
 * @property {string} dagId
 * @property {string} runId
 * @property {string} taskId
 * @property {string} dag name to show
 * @property {string} task name to show
 * @property {number} mapIndex -1 unless the task is mapped
 * @property {string | null} part name of the part of a mapped task
 * @property {string} operation `upsert_users`, `delete_users`, `send_events` or `update_devices`
 * @property {string} state of the task instance
 * @property {number} tryNumber
 * @property {Date} started
 * @property {Date | null} ended
 */

/**
 * @typedef {object} Report the counts of a delivery: an operator's XCom, or its progress while it runs
 * @property {number} read
 * @property {number} delivered
 * @property {number} [unchanged]
 * @property {number} merged
 * @property {number} suppressed
 * @property {number} rejected
 * @property {number} unknown
 * @property {number} [valid] number of records that a dry run would have sent
 * @property {boolean} [validate_only] whether it was a dry run; only in the report of an operator
 * @property {number} requests
 * @property {number} seconds
 * @property {number} records_per_second
 * @property {number | null} [rate_limit] requests a second
 * @property {number} [total] records in the source
 * @property {number} [seconds_left]
 * @property {string} [at] time of the last progress of a running delivery
 * @property {{field: string | null, reason: string, number: number}[]} [reasons] of rejects
 */

/** @typedef {{report: Report} | {missing: "none" | "forbidden"}} Reading a report, or the cause why it is missing */

export const DAYS = 30;
export const OVER = ["success", "failed", "up_for_retry"];
const PROGRESS_KEY = "blux_progress"; // hooks/observability.py
const RETURN_VALUE = "return_value";

/** Reads deliveries and their reports; the report of a delivery that has ended is read once. */
export class Deliveries {
  /**
   * @param {Record<string, string>} operators operation by the name of the operator's class
   * @param {AbortSignal} signal ends every request
   */
  constructor(operators, signal) {
    this.operators = operators;
    this.signal = signal;
    /** @type {Map<string, Promise<Reading>>} */
    this.readings = new Map();
    /** @type {Promise<boolean> | undefined} */
    this.taskState = undefined;
  }

  /**
   * Return a page of deliveries, the newest first.
   *
   * @param {object} wanted
   * @param {string[]} wanted.states
   * @param {number} wanted.limit maximum number of deliveries
   * @param {number} [wanted.offset] number of task instances to skip
   * @param {string} [wanted.operation] return only deliveries of this operation
   * @returns {Promise<{deliveries: Delivery[], passed: number, total: number}>} `passed` is the offset of the next page
   */
  async page({ states, limit, offset = 0, operation }) {
    const names = Object.keys(this.operators).filter((name) => !operation || this.operators[name] === operation);
    const answer = await this.get("dags/~/dagRuns/~/taskInstances", {
      operator: names,
      state: states,
      start_date_gte: firstDay().toISOString(),
      order_by: "-start_date",
      limit,
      offset,
    });
    const found = answer.task_instances;
    return {
      deliveries: found.filter(isOurs).map((instance) => this.delivery(instance)),
      passed: offset + found.length,
      total: answer.total_entries,
    };
  }

  /**
   * Return the report of a delivery that has ended.
   *
   * @param {Delivery} delivery
   * @returns {Promise<Reading>}
   */
  reading(delivery) {
    let reading = this.readings.get(delivery.id);
    if (!reading) {
      // A failed task has no return value, so its last progress is read.
      reading = delivery.state === "success" ? this.returned(delivery) : this.progress(delivery);
      this.readings.set(delivery.id, reading);
      reading.catch(() => this.readings.delete(delivery.id));
    }
    return reading;
  }

  /**
   * Return the progress of a delivery from the task state, which Airflow 3.3 and later have.
   *
   * @param {Delivery} delivery
   * @returns {Promise<Reading>}
   */
  async progress(delivery) {
    if (!(await this.hasTaskState())) {
      return { missing: "none" };
    }
    const value = await this.value(`${instancePath(delivery)}/state-store/${PROGRESS_KEY}`, delivery);
    if (isReport(value) && value.try_number !== delivery.tryNumber) {
      return { missing: "none" };
    }
    return asReading(value);
  }

  /** @returns {Promise<boolean>} whether this version of Airflow has a task state */
  hasTaskState() {
    this.taskState ??= this.get("version").then(({ version }) => {
      const [major, minor] = version.split(".").map(Number);
      return major > 3 || (major === 3 && minor >= 3);
    });
    this.taskState.catch(() => (this.taskState = undefined));
    return this.taskState;
  }

  /** @param {Delivery} delivery */
  async returned(delivery) {
    return asReading(await this.value(`${instancePath(delivery)}/xcomEntries/${RETURN_VALUE}`, delivery));
  }

  /**
   * @param {string} path
   * @param {Delivery} delivery
   * @returns {Promise<unknown>} `undefined` if there is none, `null` if the person may not read it
   */
  async value(path, delivery) {
    try {
      return (await this.get(path, { map_index: delivery.mapIndex })).value;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 403)) {
        return error.status === 404 ? undefined : null;
      }
      throw error;
    }
  }

  /**
   * @param {any} instance a task instance as the API returns it
   * @returns {Delivery}
   */
  delivery(instance) {
    return {
      id: instance.id,
      dagId: instance.dag_id,
      runId: instance.dag_run_id,
      taskId: instance.task_id,
      dag: instance.dag_display_name,
      task: instance.task_display_name,
      mapIndex: instance.map_index,
      part: instance.map_index < 0 ? null : (instance.rendered_map_index ?? String(instance.map_index)),
      operation: this.operators[instance.operator],
      state: instance.state,
      tryNumber: instance.try_number,
      started: new Date(instance.start_date),
      ended: instance.end_date ? new Date(instance.end_date) : null,
    };
  }

  /**
   * @param {string} path
   * @param {Record<string, any>} [parameters]
   */
  get(path, parameters) {
    return get(path, parameters, this.signal);
  }
}

/** @returns {Date} midnight (local time) of the first day that the page shows */
export function firstDay() {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - DAYS + 1);
  return day;
}

/** The operator class of a decorated task has a short name, which classes of other packages may also have. */
function isOurs(instance) {
  return !instance.operator.startsWith("_") || (instance.operator_name ?? "").startsWith("@task.blux_");
}

/** @param {Delivery} delivery */
function instancePath({ dagId, runId, taskId }) {
  const [dag, run, task] = [dagId, runId, taskId].map(encodeURIComponent);
  return `dags/${dag}/dagRuns/${run}/taskInstances/${task}`;
}

/**
 * @param {unknown} value
 * @returns {Reading}
 */
function asReading(value) {
  const report = typeof value === "string" ? parsed(value) : value;
  if (isReport(report)) {
    return { report };
  }
  return { missing: value === null ? "forbidden" : "none" };
}

/** Parse an XCom, which Airflow returns as text with JSON; a custom XCom backend may return other text. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Return whether a delivery has sent nothing on purpose. Only the progress of a dry run has `valid`.
 *
 * @param {Report} report
 */
export function isDryRun(report) {
  return report.validate_only ?? report.valid !== undefined;
}

/** @param {any} value */
function isReport(value) {
  return value !== null && typeof value === "object" && Number.isFinite(value.read) && Number.isFinite(value.delivered);
}
