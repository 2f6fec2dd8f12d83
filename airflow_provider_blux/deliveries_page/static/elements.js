/**
 * Creates elements without parsing HTML, so that a value from the API is always shown as text.
 */

/** @typedef {string | number | Node | null | undefined | false} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes] null and false set none
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/**
 * @param {string} name
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/**
 * Replace the children of an element, unless they are equal: so the focus stays, and open `details` stay open.
 *
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  const other = document.createElement("template");
  other.content.append(...shown(children));
  const before = element.querySelectorAll("details");
  other.content.querySelectorAll("details").forEach((details, index) => {
    details.open = before[index]?.open ?? false;
  });
  const same =
    other.content.childNodes.length === element.childNodes.length &&
    [...other.content.childNodes].every((child, index) => child.isEqualNode(element.childNodes[index]));
  if (!same) {
    element.replaceChildren(...other.content.childNodes);
  }
}

/**
 * @template {Element} T
 * @param {T} element
 * @returns {T}
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...shown(children));
  return element;
}

/** @param {Child[]} children */
function shown(children) {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (typeof child === "number" ? String(child) : child));
}
