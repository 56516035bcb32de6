// The order of Jest's own, but for the folders `last`: what looks at the whole run comes after all that runs.
const { default: Sequencer } = require('@jest/test-sequencer');

module.exports = class extends Sequencer {
  sort(tests) {
    const isLast = ({ path }) => /[\\/]last[\\/][^\\/]+$/.test(path);
    const sorted = super.sort(tests);
    return [...sorted.filter((test) => !isLast(test)), ...sorted.filter(isLast)];
  }
};
