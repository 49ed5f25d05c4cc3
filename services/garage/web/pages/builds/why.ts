/** Why a build waits, on its page. */
import { whyWaiting, type Why } from '../../../dispatch/why.ts';
import type { Garage } from '../../../context.ts';
import { time } from '../../format.ts';
import { html, type Markup } from '../../markup.ts';

const BASES: Record<'source' | 'product' | 'none', string> = {
  source: 'guessed from the last builds of this source',
  product: 'guessed from the last builds for this product',
  none: 'a mere guess: no build has ended yet',
};

/** Nothing for a build that is over. What hosts complain of is for admins. */
export async function whySection(garage: Garage, buildId: string, admin: boolean): Promise<Markup | false> {
  const why = await whyWaiting(garage, buildId, { admin });
  if (why.code === 'over' || why.code === 'publishing') return false;
  return html`<h2>${why.code === 'running' ? 'How far it is' : 'Why it waits'}</h2>
    <p>${why.says}</p>
    ${
      why.details.length > 0 &&
      html`<ul>
        ${why.details.map((line) => html`<li>${line}</li>`)}
      </ul>`
    }
    ${estimateOf(why)}`;
}

function estimateOf({ code, estimate }: Why): Markup | false {
  if (!estimate) return false;
  const { startsAt, endsAt, basis } = estimate;
  return html`<p>
    ${code !== 'running' && html`It may start at ${time(startsAt)} and`} ${code === 'running' && 'It may'} be
    through at ${time(endsAt)} <span class="quiet">(${BASES[basis]})</span>.
  </p>`;
}
