'use strict';
const { log } = require('./log');
const BOILING = 100;

export class Kettle {
  constructor(degrees) {
    this.degrees = degrees;
  }
  boils() {
    return this.degrees >= BOILING;
  }
}

export default function pour(kettle, cups) {
  const inner = 1;
  return cups;
}

export const whistle = async (loudness) => {
  return loudness > 3;
};

Kettle.prototype.pour = function pour(cups) {
  return cups;
};

exports.empty = (
  kettle,
) => {
  const inner = 2;
};

exports.name = 'kettle';

class Lid extends Kettle {
  open = () => {
    const inner = 3;
  };
  closed = true;
}
