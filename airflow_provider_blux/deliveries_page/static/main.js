/**
 * The module that Airflow loads: it gives Airflow a React component that consists only of our own element.
 *
 * Airflow looks for the component under the page's name, and under `AirflowPlugin`.
 */
import { DeliveriesPage } from "./page.js";

const ELEMENT = "blux-deliveries";

if (!customElements.get(ELEMENT)) {
  customElements.define(ELEMENT, DeliveriesPage);
}

/** @returns {unknown} a React element, made with Airflow's React */
const component = () => globalThis.React.createElement(ELEMENT);

globalThis["Blux deliveries"] = component;
globalThis.AirflowPlugin = component;
