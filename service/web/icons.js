// The pictures, drawn in the colour of the text beside them.

import { svg, html } from './vendor/lit-html/lit-html.js';

const drawn = (shape) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${shape}</svg>`;

export const ICONS = {
  email: drawn(svg`<rect x="2.500" y="4.500" width="15" height="11" rx="2"/><path d="m3 6 7 5.500L17 6"/>`),
  sms: drawn(svg`<path d="M4.500 3.500h11a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H9l-4 3.500v-3.500h-.500a2 2 0 0 1-2-2v-6a2 2 0 0 1 2-2z"/>`),
  unknown: drawn(svg`<circle cx="10" cy="10" r="7"/><path d="M10 13.500v.500M10 6.500v4"/>`),
  search: drawn(svg`<circle cx="9" cy="9" r="5.500"/><path d="m13.500 13.500 3.500 3.500"/>`),
  close: drawn(svg`<path d="m5 5 10 10M15 5 5 15"/>`),
  filter: drawn(svg`<path d="M3 5h14M6 10h8M8.500 15h3"/>`),
  copy: drawn(svg`<rect x="7" y="7" width="9.500" height="9.500" rx="1.500"/><path d="M13 7V5a1.500 1.500 0 0 0-1.500-1.500H5A1.500 1.500 0 0 0 3.500 5v6.500A1.500 1.500 0 0 0 5 13h2"/>`),
  done: drawn(svg`<path d="m4 10.500 4 4 8-9"/>`),
  link: drawn(svg`<path d="M8.500 11.500a3 3 0 0 0 4.200 0l3-3a3 3 0 0 0-4.200-4.200l-1 1M11.500 8.500a3 3 0 0 0-4.200 0l-3 3a3 3 0 0 0 4.200 4.200l1-1"/>`),
  save: drawn(svg`<path d="M10 3v9m-3.500-3.500L10 12l3.500-3.500M4 16.500h12"/>`),
  previous: drawn(svg`<path d="m12 5-5 5 5 5"/>`),
  next: drawn(svg`<path d="m8 5 5 5-5 5"/>`),
  clip: drawn(svg`<path d="m14.500 9.500-5 5a3 3 0 0 1-4.300-4.300l6-6a2 2 0 0 1 2.900 2.900l-6 6a1 1 0 0 1-1.400-1.500l5-5"/>`),
  reply: drawn(svg`<path d="M8 5 3.500 9.500 8 14M4 9.500h7.500a5 5 0 0 1 5 5V16"/>`),
};
