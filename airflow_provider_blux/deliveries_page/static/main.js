/**
 * What Airflow loads: gives it a React component that is nothing but our own element.
 *
 * Airflow looks for the component under the page's name, and under `AirflowPlugin`.
 */
import { DeliveriesPage } from "./page.js";

const ELEMENT = "blux-deliveries";

if (!customElements.get(ELEMENT)) {
  customElements.define(ELEMENT, DeliveriesPage);
}

/** @returns {unknown} a React element; React is Airflow's own */
const component = () => globalThis.React.createElement(ELEMENT);

globalThis["Blux deliveries"] = component;
globalThis.AirflowPlugin = component;
