/**
 * Requests to Airflow's public REST API, with the session of the person who has the page open.
 */

/** A request failed. `status` is the HTTP status, or 0 if there was no answer. */
export class ApiError extends Error {
  /** @param {number} status HTTP status */
  constructor(status) {
    super(status ? `Airflow answered ${status}` : "Airflow did not answer");
    this.status = status;
  }
}

/**
 * Get a resource of the API.
 *
 * @param {string} path below `api/v2/`, with encoded parts
 * @param {Record<string, string | number | string[]>} [parameters] of the query; a list gives one for each value
 * @param {AbortSignal} [signal] ends the request
 * @returns {Promise<any>} the decoded JSON
 */
export async function get(path, parameters = {}, signal) {
  const url = new URL(`api/v2/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      url.searchParams.append(name, String(one));
    }
  }
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" }, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(0);
  }
  if (!answer.ok) {
    throw new ApiError(answer.status);
  }
  return answer.json();
}

/**
 * Call `act` for each item, for at most `lanes` items at the same time.
 *
 * @template T
 * @param {T[]} items
 * @param {(item: T) => Promise<void>} act
 * @param {number} [lanes]
 */
export async function forEach(items, act, lanes = 6) {
  const rest = items[Symbol.iterator]();
  const lane = async () => {
    for (const item of rest) {
      await act(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
