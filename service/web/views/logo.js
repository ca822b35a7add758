import { html } from '../vendor/lit-html/lit-html.js';

export const logo = () => html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
  <rect width="32" height="32" rx="8"/><path d="M8 10.500a2.500 2.500 0 0 1 2.500-2.500h11a2.500 2.500 0 0 1 2.500 2.500v7a2.500 2.500 0 0 1-2.500 2.500H15l-4.500 4v-4a2.500 2.500 0 0 1-2.500-2.500z"/></svg>`;
