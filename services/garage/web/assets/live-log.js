// Follows a build's log while it is written. Everything arrives as text and is shown as text.
// Without this script the page shows what was there when it was loaded, and a link to all of it.

/** Characters kept on the page; the whole log stays behind its link. */
const KEEP_CHARACTERS = 2_000_000;

const box = document.getElementById('log');
const line = document.getElementById('log-state');
if (box && line && box.dataset.stream) follow(box, line, box.dataset.stream);

function follow(log, state, address) {
  const source = new EventSource(address);
  let kept = log.textContent.length;
  log.scrollTop = log.scrollHeight;
  source.addEventListener('open', () => (state.textContent = 'Being written; this page follows.'));
  source.addEventListener('text', (event) => {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const text = JSON.parse(event.data);
    log.append(text);
    kept += text.length;
    while (kept > KEEP_CHARACTERS && log.childNodes.length > 1) {
      kept -= log.firstChild.textContent.length;
      log.firstChild.remove();
    }
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  });
  source.addEventListener('stage', (event) => showStage(JSON.parse(event.data)));
  source.addEventListener('end', () => {
    source.close();
    const again = document.createElement('a');
    again.href = location.pathname;
    again.textContent = 'Show the result';
    state.replaceChildren('Finished. ', again);
  });
  source.addEventListener('error', () => {
    const isOver = source.readyState === EventSource.CLOSED;
    state.textContent = isOver
      ? 'The log cannot be followed now; reload to try again.'
      : 'Connecting again …';
  });
}

function showStage(now) {
  let isPast = true;
  for (const item of document.querySelectorAll('[data-stage]')) {
    const isNow = item.dataset.stage === now;
    if (isNow) isPast = false;
    item.className = isNow ? 'now' : isPast ? 'past' : 'ahead';
  }
}
