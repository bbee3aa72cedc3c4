// Draws the page that the path asks for, also when the path was opened from outside.
const notes = { herring: 'Off the Bass Rock, at dawn.', weather: 'Wind from the north-west.' };

const draw = () => {
  const name = location.pathname.split('/').filter(Boolean).at(-1);
  const heading = document.createElement('h1');
  const text = document.createElement('p');
  heading.textContent = name ?? 'Notes';
  text.textContent = notes[name] ?? `There are ${Object.keys(notes).length} notes.`;
  document.querySelector('main').replaceChildren(heading, text);
};

addEventListener('popstate', draw);
document.querySelector('nav').addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link) return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  draw();
});
draw();
